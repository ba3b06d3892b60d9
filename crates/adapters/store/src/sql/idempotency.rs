//! Replies kept for repeated requests.

statements! {
    IDEMPOTENCY_GET = "SELECT body_sha256, status, reply FROM idempotency \
         WHERE actor = $1 AND route = $2 AND key = $3 AND at > $4";
    IDEMPOTENCY_PUT = "INSERT INTO idempotency (actor, route, key, body_sha256, status, reply, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (actor, route, key) DO NOTHING";
    IDEMPOTENCY_SWEEP = "DELETE FROM idempotency WHERE at <= $1";
}
