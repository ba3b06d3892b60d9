//! Every stable code of an error, in one list: the reference is printed from it, and `cargo xtask tidy` holds the
//! sources to it. Codes are part of the contract: they are added, never renamed. The words of one case stand beside the
//! rule that was broken, not here.

/// A code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Such as `plan/stale`.
    pub code: &'static str,
    /// The HTTP status of the answer; 0 where it is none: a rule that a document breaks, or something `tow` itself says.
    pub status: u16,
    /// What it means, in a few words; the title of a problem.
    pub title: &'static str,
}

impl Code {
    /// The one of that name.
    pub fn find(code: &str) -> Option<&'static Self> {
        CODES.iter().find(|known| known.code == code)
    }
}

macro_rules! codes {
    ($($code:literal $status:literal $title:literal)*) => {
        /// All of them, by family.
        pub const CODES: &[Code] = &[$(Code { code: $code, status: $status, title: $title }),*];
    };
}

codes! {
    // Answers of the platform.
    "input/invalid" 422 "The input is not valid"
    "input/missing" 422 "Something is missing"
    "idempotency/differs" 422 "The same key was used for another request"
    "access/unauthenticated" 401 "Sign in first"
    "access/forbidden" 403 "Not allowed"
    "access/foreign-page" 403 "A browser sent this from another site's page"
    "access/link-used" 403 "This sign-in link does not work"
    "object/not-found" 404 "There is no such thing"
    "object/in-use" 409 "It is in use"
    "object/moved" 409 "It was changed meanwhile"
    "plan/refused" 422 "A rule refuses this plan"
    "plan/stale" 409 "The plan is stale"
    "plan/nothing-runs" 422 "There is nothing to change"
    "operation/under-way" 409 "Something is under way here"
    "source/too-large" 413 "The source is too large"
    "store/full" 507 "The disk is full"
    "platform/unavailable" 503 "A part of the platform does not answer"
    "platform/internal" 500 "Something went wrong inside the platform"
    "internal/broken" 500 "The platform broke off this request"

    // What the API says of a request before it looks at its meaning.
    "request/body" 400 "The body does not have the endpoint's form"
    "request/broken-off" 400 "The body ended early"
    "request/content-type" 415 "The body is of another type than the endpoint takes"
    "request/foreign-host" 421 "The Host header names another place"
    "request/idempotency-key" 400 "The Idempotency-Key is not right"
    "request/json" 400 "The body is not JSON"
    "request/last-event-id" 400 "The Last-Event-ID is no number of an event"
    "request/no-such-endpoint" 404 "There is no such endpoint"
    "request/no-such-method" 405 "The endpoint is not asked by this method"
    "request/path" 400 "A part of the path is not right"
    "request/query" 400 "The query is not right"
    "request/too-large" 413 "The body is too large"
    "request/unknown-field" 400 "The request has a field nobody knows"

    // What the gateway itself answers to whoever uses a workload.
    "gateway/bad-request" 400 "The request can't be routed"
    "gateway/connect" 501 "This is no forward proxy"
    "gateway/head-too-large" 431 "The request's head is too large"
    "gateway/instance-failed" 502 "The instance did not answer"
    "gateway/instance-late" 504 "The instance took too long"
    "gateway/no-instance" 503 "No instance is ready"
    "gateway/transfer-coding" 501 "The request is coded in an unknown way"
    "gateway/unknown-host" 404 "Nothing is served here"
    "gateway/unknown-path" 404 "Nothing is served at this path"

    // Rules that a plan breaks.
    "plan/absolute-target" 0 "A file's target is outside the instance's folder"
    "plan/config-missing" 0 "Configuration lacks a value that a workload asks for"
    "plan/file-source" 0 "A file comes from a source, which is not carried yet"
    "plan/https-probe" 0 "A probe asks over HTTPS, which is not made yet"
    "plan/isolation" 0 "The environment asks for more isolation than the runtime has"
    "plan/limits" 0 "Limits of CPU or memory, which the runtime does not keep yet"
    "plan/no-container-runtime" 0 "An image needs a runtime of containers"
    "plan/no-recipe" 0 "No recipe makes a resource of this type"
    "plan/route-port" 0 "A route names a port that is not declared"
    "plan/volumes" 0 "Volumes, which the runtime does not mount yet"
    "plan/workload-kind" 0 "The runtime does not run workloads of this kind yet"
    "plan/workload-twice" 0 "Two documents declare the same workload"

    // Rules that a document breaks.
    "apply/score" 0 "A Score file is deployed, not applied"
    "apply/twice" 0 "An object is declared twice"
    "catalog/key-case" 0 "Two keys differ only in case"
    "catalog/label-key" 0 "Not a key of labels or annotations"
    "catalog/label-value" 0 "Not a value of a label"
    "catalog/link-blank" 0 "A link's text is blank"
    "catalog/link-url" 0 "A link is not an absolute URL"
    "catalog/reference" 0 "Not a reference to an entity"
    "catalog/tag" 0 "Not a tag"
    "delivery/override-nowhere" 0 "An override does not say where it holds"
    "delivery/path" 0 "A path leads out of the folder"
    "document/api-version" 0 "An apiVersion that nobody knows for this kind"
    "document/empty" 0 "There is no document"
    "document/kind-missing" 0 "The document does not say its kind"
    "document/kind-unknown" 0 "The document is of a kind nobody knows"
    "document/more" 0 "There are more errors than are shown"
    "document/not-a-map" 0 "A document is not a map of fields"
    "document/unreadable" 0 "The document can't be read"
    "environment/runtime-unknown" 0 "An environment names a runtime that is not there"
    "schema/choice" 0 "A value is not one of those allowed"
    "schema/empty" 0 "A value is empty"
    "schema/format" 0 "A text does not have its form"
    "schema/missing-field" 0 "A required field is missing"
    "schema/name" 0 "A name is not one"
    "schema/other" 0 "A value breaks another rule of its schema"
    "schema/range" 0 "A number or a length is out of its range"
    "schema/type" 0 "A value is of another type"
    "schema/unknown-field" 0 "A field nobody knows"
    "score/base64" 0 "binaryContent is not base64"
    "score/before-cycle" 0 "Containers wait for each other to start"
    "score/before-self" 0 "A container is to start before itself"
    "score/before-unknown" 0 "A container is to start before one that is not there"
    "score/file-content" 0 "A file has no content, or several"
    "score/placeholder-incomplete" 0 "A placeholder does not say enough"
    "score/placeholder-root" 0 "A placeholder begins with a word nobody knows"
    "score/placeholder-syntax" 0 "A placeholder is not written right"
    "score/placeholder-unknown" 0 "A placeholder names what is not there"
    "score/probe-empty" 0 "A probe asks nothing"
    "score/target-empty" 0 "A target is empty"
    "score/target-missing" 0 "A file or volume has no target"
    "score/target-twice" 0 "A target is given twice"
    "yaml/alias" 0 "An alias that is not known, or contains itself"
    "yaml/duplicate-key" 0 "A key is there twice"
    "yaml/encoding" 0 "The text is not UTF-8"
    "yaml/key" 0 "A key is not a text, or too long"
    "yaml/merge" 0 "A merge key does not take a map"
    "yaml/number" 0 "A number is out of its range"
    "yaml/syntax" 0 "The text is not YAML"
    "yaml/tag" 0 "A tag nobody knows"
    "yaml/too-deep" 0 "It is nested too deeply"
    "yaml/too-large" 0 "The text is too large"
    "yaml/too-many-values" 0 "It has too many values"

    // What did not hold in a rollout.
    "rollout/build" 0 "The build failed"
    "rollout/deadline" 0 "New instances were not healthy in time"
    "rollout/start" 0 "New instances do not stay up"

    // What `tow` says of a folder it is to send.
    "file/not-text" 0 "A file is not a text"
    "file/unreadable" 0 "A file can't be read"
    "project/empty" 0 "The folder holds no Score file"
    "source/changed" 0 "A file changed while it was read"
    "source/digest" 0 "What arrived is not what was sent"
    "source/empty" 0 "The folder holds nothing to send"
    "source/link-leaves" 0 "A link leads out of the folder"
    "source/not-a-folder" 0 "There is no such folder"
    "source/secret" 0 "The folder holds a file that looks secret"
    "source/special-file" 0 "The folder holds a device, a socket or a pipe"
    "source/unreadable" 0 "A file of the folder can't be read"
    "source/write" 0 "The packed folder can't be written"

    // What `tow` says of itself and of its way to the platform.
    "cli/config" 0 "Not NAME=VALUE"
    "cli/duration" 0 "Not a length of time"
    "cli/json" 0 "A result can't be written as JSON"
    "cli/no-component" 0 "It is not said which component is meant"
    "cli/no-such-kind" 0 "There is no such kind"
    "cli/no-url" 0 "There is no URL to open"
    "cli/not-confirmed" 0 "The name was not confirmed"
    "cli/nothing-to-apply" 0 "There are no documents to apply"
    "cli/nothing-to-validate" 0 "There are no documents to check"
    "cli/reference" 0 "The references can't be written"
    "cli/role" 0 "There is no such role"
    "cli/runtime" 0 "The command line can't start"
    "cli/scale" 0 "Not WORKLOAD=N"
    "cli/shown-already" 0 "A token's text was shown already, and is not kept"
    "cli/too-many-files" 0 "There are too many files below a folder"
    "cli/yaml" 0 "A result can't be written as YAML"
    "client/foreign" 0 "What answers is not a platform we know"
    "client/interrupted" 0 "The connection broke; whether it was done is not known"
    "client/no-home" 0 "There is no data directory to look in"
    "client/not-running" 0 "No platform is running here"
    "client/source" 0 "The folder can't be sent"
    "client/unreachable" 0 "The platform does not answer"
    "client/unreadable" 0 "The platform's own files can't be read"
    "client/url" 0 "The platform's URL is not one"

    // What `tow up` and `tow down` say.
    "host/access" 0 "The owner's access can't be made"
    "host/adapters" 0 "A part of the platform can't be made ready"
    "host/address" 0 "Not an address to listen on"
    "host/compose" 0 "The platform can't be put together"
    "host/data-in-use" 0 "The data directory is in use"
    "host/data-unusable" 0 "The data directory can't be used"
    "host/executable" 0 "tow can't find or keep its own executable"
    "host/gateway" 0 "The gateway does not start"
    "host/listen" 0 "Nothing listens"
    "host/lost" 0 "The control plane is no longer in charge"
    "host/no-data" 0 "There is no data directory"
    "host/no-home" 0 "There is no place for a data directory"
    "host/not-confirmed" 0 "The name was not confirmed"
    "host/not-stopped" 0 "Not everything could be stopped"
    "host/platform-file" 0 "The file by which tow finds the platform can't be written"
    "host/port-in-use" 0 "The port is in use"
    "host/purge" 0 "The data was not removed"
    "host/runtime" 0 "tow can't start"
    "host/signals" 0 "Signals can't be listened for"
    "host/still-up" 0 "The control plane did not end"
    "keys/damaged" 0 "A key file is damaged"
    "keys/disk-full" 0 "The disk is full; no key was made"
    "keys/file" 0 "A key file can't be used"
    "keys/owner" 0 "A key file belongs to somebody else"
    "keys/readable-by-others" 0 "A key file can be read by others"
    "store/busy" 0 "The database is held by somebody else"
    "store/closed" 0 "The store was closed"
    "store/damaged" 0 "The database file is damaged"
    "store/disk-full" 0 "The disk is full"
    "store/file" 0 "The database file can't be used"
    "store/network-filesystem" 0 "The database lies on a network file system"
    "store/newer-schema" 0 "A newer tow has written this database"
    "store/not-a-store" 0 "The file is not a database of the platform"
    "store/statement" 0 "The database refused a statement"
    "store/unreadable" 0 "A kept row can't be read"
    "store/written-twice" 0 "One write names the same thing twice"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for Code { code, status, title } in CODES {
            assert!(seen.insert(code), "{code} twice");
            let (family, name) = code.split_once('/').unwrap();
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(family.chars().all(plain) && name.chars().all(plain), "{code}");
            assert!(*status == 0 || (400..600).contains(status), "{code}");
            assert!(!title.is_empty() && !title.ends_with('.'), "{code}");
        }
    }
}
