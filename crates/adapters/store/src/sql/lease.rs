//! Leases.

statements! {
    LEASE_GET = "SELECT holder, epoch, expires FROM lease WHERE name = $1";
    LEASE_EPOCH = "SELECT epoch FROM lease WHERE name = $1";
    LEASE_TAKE = "INSERT INTO lease (name, holder, epoch, expires) VALUES ($1, $2, 1, $3) \
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = lease.epoch + 1, expires = excluded.expires \
         WHERE lease.expires <= $4 OR lease.holder = excluded.holder OR $5 = 1 RETURNING epoch";
    LEASE_RENEW = "UPDATE lease SET expires = $4 \
         WHERE name = $1 AND holder = $2 AND epoch = $3 RETURNING epoch";
}
