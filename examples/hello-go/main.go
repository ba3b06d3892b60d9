// A small server on Go's standard library: / greets, /healthz says it is well.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

func of(name, fallback string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return fallback
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "%s\nrelease %s, instance %s\n",
			of("GREETING", "Hello"), of("TOW_RELEASE", "none"), of("TOW_INSTANCE", "none"))
	})
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	address := "127.0.0.1:" + of("PORT", "8080")
	log.Printf("listening on %s", address)
	log.Fatal(http.ListenAndServe(address, nil))
}
