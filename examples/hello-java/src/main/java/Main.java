import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;

/** A small server on Java's own library: / answers, /healthz says it is well. */
public class Main {
  static String of(String name, String fallback) {
    return System.getenv().getOrDefault(name, fallback);
  }

  static void answer(HttpExchange exchange, int status, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  public static void main(String[] args) throws IOException {
    int port = Integer.parseInt(of("PORT", "8080"));
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.createContext("/healthz", exchange -> answer(exchange, 200, "ok\n"));
    server.createContext("/", exchange -> {
      boolean root = exchange.getRequestURI().getPath().equals("/");
      String text = of("GREETING", "Hello") + "\nrelease " + of("TOW_RELEASE", "none")
          + ", instance " + of("TOW_INSTANCE", "none") + "\n";
      answer(exchange, root ? 200 : 404, root ? text : "there is nothing here\n");
    });
    // It is told to end after its last request was answered: there is nothing to wait for, and stop(1) would wait.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(0)));
    server.start();
    System.out.println("listening on port " + port);
  }
}
