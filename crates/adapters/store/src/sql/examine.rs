//! What is asked of a store that nobody opened for use: is it whole, who holds it, how far has it come.

statements! {
    /// Structure alone, at most a few findings; what a server's pages hold is the server's to check.
    QUICK_CHECK: both = { sqlite: "PRAGMA quick_check(3)", postgres: "SELECT 'ok'::text" };
    LEASES = "SELECT name, holder, epoch, expires FROM lease ORDER BY name";
    /// In microseconds since 1970, as of the statement and not of its transaction. A file has no clock.
    SERVER_CLOCK: both = {
        sqlite: "SELECT NULL",
        postgres: "SELECT FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint",
    };
    EVENT_TIME = "SELECT at FROM event WHERE seq = $1";
}
