//! What is asked of a store that nobody opened for use: is it whole, who holds it, how far has it come.

statements! {
    /// Structure alone, at most a few findings; what a server's pages hold is the server's to check.
    QUICK_CHECK: both = { sqlite: "PRAGMA quick_check(3)", postgres: "SELECT 'ok'::text" };
    LEASES = "SELECT name, holder, epoch, expires FROM lease ORDER BY name";
    EVENT_TIME = "SELECT at FROM event WHERE seq = $1";
}
