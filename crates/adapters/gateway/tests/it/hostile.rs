//! Clients and instances that mean ill, or are in a bad way: each gets a clear end, and nobody else notices.
