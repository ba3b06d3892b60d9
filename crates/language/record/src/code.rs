//! Every stable code of an error, in one list: the reference is printed from it, and `cargo xtask tidy` holds the
//! sources to it. Codes are part of the contract: they are added, never renamed. The words of one case stand beside the
//! rule that was broken, not here.

use crate::Problem;

/// A code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Such as `plan/stale`.
    pub code: &'static str,
    /// The HTTP status of the answer; 0 where it is none: a rule that a document breaks, or something `tow` itself says.
    pub status: u16,
    /// How a verb of `tow` ends that meets it; none for a rule, which stands under `violations` of something else.
    pub exit: Option<ExitStatus>,
    /// What it means, in a few words; the title of a problem.
    pub title: &'static str,
}

/// How a verb of `tow` ended: the truth, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// What was asked for is so.
    Done = 0,
    /// It was tried and did not work.
    Failed = 1,
    /// The command line or a file is not right.
    Invalid = 2,
    /// A rule does not allow it.
    Refused = 3,
    /// There is no such thing.
    NotFound = 4,
    /// Something moved in between, or somebody else is at it.
    Conflict = 5,
}

impl ExitStatus {
    /// For `main`.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// What a problem means for a script: as the list says of its code, else by its HTTP status.
    pub fn of(problem: &Problem) -> Self {
        match Code::find(&problem.code).and_then(|code| code.exit) {
            Some(exit) => exit,
            None => Self::by_status(problem.status),
        }
    }

    const fn by_status(status: u16) -> Self {
        match status {
            400 | 405 | 413..=415 | 422 => Self::Invalid,
            401 | 403 => Self::Refused,
            404 | 410 => Self::NotFound,
            409 | 412 => Self::Conflict,
            _ => Self::Failed,
        }
    }
}

impl Code {
    /// The one of that name.
    pub fn find(code: &str) -> Option<&'static Self> {
        CODES.iter().find(|known| known.code == code)
    }
}

/// What is said, else what the HTTP status means; nothing for a rule.
const fn exit(said: Option<ExitStatus>, status: u16) -> Option<ExitStatus> {
    match (said, status) {
        (Some(_), _) => said,
        (None, 0) => None,
        (None, status) => Some(ExitStatus::by_status(status)),
    }
}

// Code, HTTP status or 0, how a verb ends where the status does not say it already, title.
macro_rules! codes {
    ($($code:literal $status:literal $($exit:ident)? $title:literal)*) => {
        /// All of them, by family.
        pub const CODES: &[Code] = &[$(Code {
            code: $code,
            status: $status,
            exit: exit(codes!(@said $($exit)?), $status),
            title: $title,
        }),*];
    };
    (@said) => { None };
    (@said $exit:ident) => { Some(ExitStatus::$exit) };
}

codes! {
    // Answers of the platform.
    "access/admin-by-group" 0 "A group is to be administrator"
    "access/subject-kind" 0 "A subject can not have a role"
    "api/definition-missing" 0 "An API has no definition"
    "api/remotes-missing" 0 "A server's API has no remotes"
    "artifact/not-pushed" 422 Failed "An image was not pushed"
    "build/failed" 0 Failed "A build made nothing"
    "build/nothing-runs" 422 "Nothing says what runs"
    "build/refused" 422 "The source can't be built here"
    "build/secret-missing" 422 "A secret of a build is not set"
    "delivery/component" 0 "A delivery names another component"
    "input/invalid" 422 "The input is not valid"
    "input/missing" 422 "Something is missing"
    "dev/place" 0 Failed "There is no place for what is built"
    "dev/port" 0 Failed "The port can't be had"
    "dev/watch" 0 Failed "The folder can't be watched"
    "exec/lost" 0 Failed "Nobody knows how the command ended"
    "exec/which" 0 Invalid "It is not said in which instance"
    "exec/gone" 404 "The instance does not run"
    "exec/refused" 422 "The command can't be run"
    "exec/protocol" 426 "The command was not asked for rightly"
    "idempotency/differs" 422 "The same key was used for another request"
    "access/unauthenticated" 401 "Sign in first"
    "access/forbidden" 403 "Not allowed"
    "access/foreign-page" 403 "A browser sent this from another site's page"
    "access/cut-token" 403 "The token is cut down"
    "access/password" 422 "Not a password that is taken"
    "access/too-many-tries" 429 Refused "Too many sign-ins failed"
    "access/wrong-password" 403 "Name or password is wrong"
    "access/link-used" 403 "This sign-in link does not work"
    "audit/not-sealed" 404 "Nothing is sealed yet"
    "audit/erase" 422 "This can't be erased"
    "object/not-found" 404 "There is no such thing"
    "object/in-use" 409 "It is in use"
    "object/moved" 409 "It was changed meanwhile"
    "object/not-namespaced" 0 "The kind has no namespaces"
    "plan/refused" 422 Refused "A rule refuses this plan"
    "plan/stale" 409 "The plan is stale"
    "plan/nothing-runs" 422 "There is nothing to change"
    "operation/under-way" 409 "Something is under way here"
    "rollout/none" 404 "Nothing is rolled out here just now"
    "rollout/over" 409 "The rollout is past this"
    "route/unconfirmed" 0 Failed "The gateway has not confirmed it"
    "run/under-way" 409 "An earlier run is not finished"
    "run/no-program" 404 "There is no such run or schedule"
    "run/which" 422 "It is not said which workload is meant"
    "source/too-large" 413 "The source is too large"
    "store/full" 507 "The disk is full"
    "location/push" 403 "The push hook was not asked rightly"
    "tls/expired" 422 "The certificate is over"
    "tls/host" 422 "Not a host"
    "tls/other-host" 422 "The certificate is not for this host"
    "tls/too-many" 409 "There are too many certificates"
    "tls/unreadable" 422 "The certificate, its chain or its key does not fit"
    "webhook/address" 422 "A webhook can't lead there"
    "webhook/events" 422 "No such events"
    "webhook/not-carried" 404 "The webhook did not carry this event"
    "webhook/paused" 409 "The webhook is paused"
    "webhook/too-many" 409 "There are too many webhooks"
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
    "query/syntax" 400 "The question can not be read"
    "query/order" 400 "The order can not be read"
    "query/cursor" 400 "The place in the list can not be read"
    "query/field" 400 "The field can not be selected"
    "request/too-many" 429 "Too many requests"
    "request/too-large" 413 "The body is too large"
    "request/unknown-field" 400 "The request has a field nobody knows"

    // What the gateway itself answers to whoever uses a workload.
    "gateway/bad-request" 400 "The request can't be routed"
    "gateway/body-too-large" 413 "The request's body is too large"
    "gateway/connect" 501 "This is no forward proxy"
    "gateway/expectation" 417 "The request expects what is not known"
    "gateway/head-too-large" 431 "The request's head is too large"
    "gateway/instance-failed" 502 "The instance did not answer"
    "gateway/instance-late" 504 "The instance took too long"
    "gateway/not-awake" 503 "What slept was not ready in time"
    "gateway/too-many-wait" 503 "As many requests wait as may"
    "gateway/maintenance" 503 "It is under maintenance"
    "gateway/no-instance" 503 "No instance is ready"
    "gateway/paused" 504 "It was paused for too long"
    "gateway/request-late" 408 "The request did not come in time"
    "gateway/transfer-coding" 501 "The request is coded in an unknown way"
    "gateway/unknown-host" 404 "Nothing is served here"
    "gateway/unknown-path" 404 "Nothing is served at this path"

    // Rules that a plan breaks.
    "plan/absolute-target" 0 "A file's target is outside the instance's folder"
    "plan/config-missing" 0 "Configuration lacks a value that a workload asks for"
    "plan/confine" 0 "The runtime can't run a workload as another user, or keep it from writing"
    "plan/file-source" 0 "A file that a Score file takes from beside it was not sent along"
    "plan/https-probe" 0 "A probe asks over HTTPS, which is not made yet"
    "plan/isolation" 0 "The environment asks for more isolation than the runtime has"
    "plan/artifact-gone" 422 "A release's artifact was pruned"
    "plan/limits" 0 "Limits of CPU or memory, which the runtime does not keep"
    "plan/no-container-runtime" 0 "An image needs a runtime of containers"
    "plan/no-base" 0 "The Runtime names no image in which the artifact could run"
    "plan/no-recipe" 0 "No recipe makes a resource of this type"
    "plan/probe-port" 0 "A probe asks a port that the workload does not declare"
    "plan/route-path" 0 "A route's path is none"
    "plan/route-port" 0 "A route names a port that is not declared"
    "plan/route-unknown" 0 "Something is said of a route that the workload has not"
    "plan/runtime-unavailable" 0 "The environment's runtime can't run anything just now"
    "plan/own-network" 0 "A fixed port, for which the runtime has no network of the program's own"
    "plan/volume-path" 0 "A folder of a volume, where only whole volumes can be mounted"
    "plan/one-writer" 0 "More than one would write to a volume"
    "plan/volumes" 0 "Volumes, which the runtime does not mount"
    "plan/scale" 0 "The workload can't be scaled so here"
    "plan/workload-kind" 0 "The workload is not what its kind must be"
    "plan/workload-twice" 0 "Two documents declare the same workload"

    // Rules that a document breaks.
    "apply/claimed" 409 "An object belongs to another source"
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
    "delivery/scale" 0 "What is said of scaling can't hold"
    "delivery/quantity" 0 "A limit of a build is no quantity"
    "delivery/secret" 0 "A secret of a build has a name that can't be set"
    "delivery/schedule" 0 "A schedule that is none, never comes, or belongs to no cron"
    "delivery/timezone" 0 "A time zone that does not exist"
    "delivery/time" 0 "A time in which nothing could be done"
    "delivery/kind" 0 "Something is said that this kind of workload does not have"
    "delivery/path" 0 "A path leads out of the folder"
    "delivery/strategy" 0 "What is said of how a release takes over can't hold"
    "delivery/route" 0 "What is said of a route can't hold"
    "delivery/static-header" 0 "A header that a site can't set"
    "delivery/static-path" 0 "A path or pattern of a site that means nothing"
    "document/api-version" 0 "An apiVersion that nobody knows for this kind"
    "document/empty" 0 "There is no document"
    "document/kind-missing" 0 "The document does not say its kind"
    "document/kind-unknown" 0 "The document is of a kind nobody knows"
    "document/more" 0 "There are more errors than are shown"
    "document/not-a-map" 0 "A document is not a map of fields"
    "document/unreadable" 0 "The document can't be read"
    "environment/bake" 0 "What is said of watching a release can't hold"
    "environment/runtime-unknown" 0 "An environment names a runtime that is not there"
    "runtime/engine" 0 "A Runtime's engine is no socket of this machine"
    "runtime/type" 0 "A runtime says what belongs to another type"
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
    "score/image" 0 "No name of an image"
    "score/target-climbs" 0 "A file's or volume's target climbs out of its folder"
    "score/target-kernel" 0 "A file's or volume's target is among the kernel's own files"
    "score/volume-path" 0 "A path leads out of its volume"
    "score/volume-source" 0 "A volume's source is neither a resource nor a plain name"
    "score/target-empty" 0 "A target is empty"
    "score/target-missing" 0 "A file or volume has no target"
    "score/target-twice" 0 "A target is given twice"
    "location/allow" 0 "Not a list of kinds that may come from a location"
    "location/claimed" 0 "An object that a location names belongs to another source"
    "location/in-use" 0 "What a location names no more still runs"
    "location/kind" 0 "A kind that may not come from this location"
    "location/loop" 0 "A location names itself"
    "location/missing" 0 "A location names what is not there"
    "location/nested" 0 "A location that was read names what is not below its own source"
    "location/more" 0 "A location has more errors than are shown"
    "location/orphans" 0 "Not a rule for what a location names no more"
    "location/refresh" 0 "Not a time between two looks at a location"
    "location/refused" 0 "A location's target is not read"
    "location/too-deep" 0 "Locations in locations are nested too deeply"
    "location/too-large" 0 "A location is more than is read of one"
    "location/unreachable" 0 "A location's source can't be read now"
    "substitution/content" 0 "A file to be put in is not of its form"
    "substitution/target" 0 "A substitution does not name a file below"
    "substitution/too-large" 0 "With its files the document is too large"
    "substitution/unread" 0 Invalid "A file to be put in can't be read"
    "substitution/url" 0 "A substitution names an address"
    "yaml/alias" 0 "An alias that is not known, or contains itself"
    "yaml/duplicate-key" 0 "A key is there twice"
    "yaml/encoding" 0 "The text is not UTF-8"
    "yaml/key" 0 "A key is not a text, or too long"
    "yaml/merge" 0 "A merge key does not take a map"
    "yaml/nul" 0 "There is a NUL character"
    "yaml/number" 0 "A number is out of its range"
    "yaml/syntax" 0 "The text is not YAML"
    "yaml/tag" 0 "A tag nobody knows"
    "yaml/too-deep" 0 "It is nested too deeply"
    "yaml/too-large" 0 Invalid "The text is too large"
    "yaml/too-many-values" 0 "It has too many values"

    // What did not hold in a rollout.
    "rollout/aborted" 0 Failed "Somebody broke it off"
    "rollout/bake" 0 Failed "It served, and did worse than what was before"
    "rollout/build" 0 Failed "The build failed"
    "rollout/canary" 0 Failed "On some clients it did worse than what was before"
    "rollout/deadline" 0 Failed "New instances were not healthy in time"
    "rollout/declared" 0 Failed "What is deployed, or where, was deleted"
    "rollout/environment" 0 Failed "The environment was deleted"
    "rollout/release" 0 Failed "A release command did not end well"
    "rollout/start" 0 Failed "New instances do not stay up"
    "rollout/step" 0 Failed "A step can't be done"

    // What `tow` says of a folder it is to send.
    "file/not-text" 0 Invalid "A file is not a text"
    "file/unreadable" 0 Invalid "A file can't be read"
    "project/empty" 0 Invalid "The folder holds no Score file"
    "source/changed" 0 Invalid "A file changed while it was read"
    "source/digest" 0 Failed "What arrived is not what was sent"
    "source/empty" 0 Invalid "The folder holds nothing to send"
    "source/link-leaves" 0 Invalid "A link leads out of the folder"
    "source/not-a-folder" 0 Invalid "There is no such folder"
    "source/secret" 0 Invalid "The folder holds a file that looks secret"
    "source/special-file" 0 Invalid "The folder holds a device, a socket or a pipe"
    "source/unreadable" 0 Invalid "A file of the folder can't be read"
    "source/write" 0 Invalid "The packed folder can't be written"

    // What `tow` says of itself and of its way to the platform.
    "cli/action" 0 Invalid "There is no such action"
    "cli/config" 0 Invalid "Not NAME=VALUE"
    "cli/duration" 0 Invalid "Not a length of time"
    "cli/file" 0 Invalid "A file can't be read or written"
    "cli/json" 0 Failed "A result can't be written as JSON"
    "cli/no-component" 0 Invalid "It is not said which component is meant"
    "cli/no-source" 0 Invalid "The source is not named"
    "cli/no-such-field" 0 Invalid "There is no such field"
    "cli/no-such-kind" 0 Invalid "There is no such kind"
    "cli/no-url" 0 NotFound "There is no URL to open"
    "cli/not-confirmed" 0 Invalid "The name was not confirmed"
    "cli/no-password" 0 Invalid "There is no password to set"
    "cli/not-taken" 0 Failed "The receiver did not take the test"
    "cli/nothing-to-apply" 0 Invalid "There are no documents to apply"
    "cli/nothing-to-validate" 0 Invalid "There are no documents to check"
    "cli/location-twice" 0 Conflict "Another location reads the same"
    "cli/location-unread" 0 Invalid "The location can't be read"
    "cli/reference" 0 Invalid "The references can't be written"
    "cli/role" 0 Invalid "There is no such role"
    "cli/runtime" 0 Failed "The command line can't start"
    "cli/scale" 0 Invalid "Not WORKLOAD=N"
    "cli/shown-already" 0 Conflict "A token's text was shown already, and is not kept"
    "cli/still-reading" 0 Failed "A location is not read yet"
    "cli/too-many-files" 0 Invalid "There are too many files below a folder"
    "cli/yaml" 0 Failed "A result can't be written as YAML"
    "client/ca" 0 Invalid "The file of a certificate authority is none"
    "client/foreign" 0 Failed "What answers is not a platform we know"
    "client/interrupted" 0 Failed "The connection broke; whether it was done is not known"
    "client/no-home" 0 Invalid "There is no data directory to look in"
    "client/not-running" 0 Failed "No platform is running here"
    "client/not-trusted" 0 Failed "Who answers could not prove to be the platform"
    "client/source" 0 Failed "The folder can't be sent"
    "client/unreachable" 0 Failed "The platform does not answer"
    "client/unreadable" 0 Failed "The platform's own files can't be read"
    "client/url" 0 Invalid "The platform's URL is not one"

    // What `tow` says of backups, of copying a store, and of the doctor.
    "backup/busy" 0 Conflict "Another process is writing that backup"
    "backup/changed" 0 Failed "The backup is changed or damaged"
    "backup/disk-full" 0 Failed "The disk is full; no backup was kept"
    "backup/drill" 0 Failed "The backup does not restore to what it should"
    "backup/exists" 0 Conflict "There is a file of that name"
    "backup/file" 0 Failed "The backup's file can't be used"
    "backup/newer" 0 Refused "A newer tow made this backup"
    "backup/no-passphrase" 0 Invalid "There is no passphrase"
    "backup/not-a-backup" 0 Invalid "The file is not a backup of the platform"
    "backup/not-empty" 0 Conflict "What is to be restored into is not empty"
    "backup/passphrase" 0 Refused "The passphrase is another one"
    "backup/passphrase-short" 0 Invalid "The passphrase is too short"
    "backup/schedule" 0 Invalid "A schedule of backups that can't be kept"
    "backup/truncated" 0 Failed "The backup is cut off"
    "copy/differs" 0 Failed "The copy of the store differs"
    "copy/not-empty" 0 Conflict "The database that is to be copied into is not empty"
    "copy/running" 0 Conflict "A platform runs on the store that is to be copied"
    "doctor/failed" 0 Failed "The doctor found what must be mended"

    // What `tow up` and `tow down` say.
    "host/access" 0 Failed "The owner's access can't be made"
    "host/adapters" 0 Failed "A part of the platform can't be made ready"
    "host/address" 0 Invalid "Not an address to listen on"
    "host/another-store" 0 Refused "The data directory's platform keeps everything elsewhere"
    "host/compose" 0 Failed "The platform can't be put together"
    "host/data-in-use" 0 Conflict "The data directory is in use"
    "host/data-unusable" 0 Failed "The data directory can't be used"
    "host/executable" 0 Failed "tow can't find or keep its own executable"
    "host/gateway" 0 Failed "The gateway does not start"
    "host/held" 0 Conflict "Another control plane is in charge of this store"
    "host/listen" 0 Failed "Nothing listens"
    "host/lost" 0 Failed "The control plane is no longer in charge"
    "host/no-data" 0 NotFound "There is no data directory"
    "host/no-home" 0 Invalid "There is no place for a data directory"
    "host/not-confirmed" 0 Invalid "The name was not confirmed"
    "host/not-running" 0 NotFound "No platform runs"
    "host/not-stopped" 0 Failed "Not everything could be stopped"
    "host/platform-file" 0 Failed "The file by which tow finds the platform can't be written"
    "host/port-in-use" 0 Failed "The port is in use"
    "host/purge" 0 Failed "The data was not removed"
    "host/runtime" 0 Failed "tow can't start"
    "host/signals" 0 Failed "Signals can't be listened for"
    "host/acme" 0 Invalid "The certificate authority is not named rightly"
    "host/upgrade" 0 Failed "The platform was not upgraded"
    "host/still-up" 0 Failed "The control plane did not end"
    "keys/damaged" 0 Failed "A key file is damaged"
    "keys/disk-full" 0 Failed "The disk is full; no key was made"
    "keys/file" 0 Failed "A key file can't be used"
    "keys/missing" 0 Refused "The keys are not those the store was sealed with"
    "keys/owner" 0 Failed "A key file belongs to somebody else"
    "keys/readable-by-others" 0 Failed "A key file can be read by others"
    "store/busy" 503 Failed "The database is held by somebody else"
    "store/denied" 503 Failed "The database's user may not do what is needed"
    "store/location" 0 Failed "What names the store makes no sense"
    "store/login" 503 Failed "The database server refused the login"
    "store/no-database" 503 Failed "The server has no such database"
    "store/outcome-unknown" 503 Failed "The connection was lost during a write"
    "store/read-only" 503 Failed "The database can only be read"
    "store/too-many-connections" 503 Failed "The database server takes no more connections"
    "store/unfit-database" 0 Failed "The database can't hold a store"
    "store/unreachable" 503 Failed "The database server can't be reached"
    "store/broken-export" 0 Failed "What is to be imported is no whole export"
    "store/not-empty" 0 Conflict "What is to be imported into is not empty"
    "store/older-schema" 0 Failed "The database's schema was not brought up to date"
    "store/closed" 0 Failed "The store was closed"
    "store/damaged" 0 Failed "The database file is damaged"
    "store/disk-full" 0 Failed "The disk is full"
    "store/file" 0 Failed "The database file can't be used"
    "store/network-filesystem" 0 Failed "The database lies on a network file system"
    "store/newer-schema" 0 Failed "A newer tow has written this database"
    "store/not-a-store" 0 Failed "The file is not a database of the platform"
    "store/statement" 0 Failed "The database refused a statement"
    "store/unreadable" 0 Failed "A kept row can't be read"
    "store/written-twice" 0 Failed "One write names the same thing twice"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for Code { code, status, title, .. } in CODES {
            assert!(seen.insert(code), "{code} twice");
            let (family, name) = code.split_once('/').unwrap();
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(family.chars().all(plain) && name.chars().all(plain), "{code}");
            assert!(*status == 0 || (400..600).contains(status), "{code}");
            assert!(!title.is_empty() && !title.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn the_exit_is_what_is_said_or_what_the_status_means() {
        let exit = |code: &str| Code::find(code).unwrap().exit;
        assert_eq!(exit("plan/stale"), Some(ExitStatus::Conflict));
        assert_eq!(exit("plan/refused"), Some(ExitStatus::Refused));
        assert_eq!(exit("cli/no-url"), Some(ExitStatus::NotFound));
        assert_eq!(exit("catalog/tag"), None);
        let problem = |code: &str, status| Problem { status, ..Problem::of(code, "") };
        assert_eq!(ExitStatus::of(&problem("plan/refused", 422)), ExitStatus::Refused);
        assert_eq!(
            ExitStatus::of(&problem(&["newer", "than-this-tow"].join("/"), 409)),
            ExitStatus::Conflict
        );
    }
}
