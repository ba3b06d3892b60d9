//! What the schema is.

statements! {
    TABLE_NAMES: both = {
        sqlite: "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        postgres: "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
    };
    /// One server changes the schema at a time. The number is ours, of no meaning.
    MIGRATION_LOCK: both = {
        sqlite: "SELECT 1",
        postgres: "SELECT pg_advisory_xact_lock(7491036625)",
    };
    MIGRATIONS_MADE =
        "CREATE TABLE IF NOT EXISTS migration (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)";
    MIGRATION_LAST = "SELECT COALESCE(MAX(number), 0) FROM migration";
    MIGRATION_DONE =
        "INSERT INTO migration (number, name) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING";
}
