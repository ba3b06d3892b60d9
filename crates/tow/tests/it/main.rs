//! Everything that needs the whole platform or the real binary: one test binary, one file a subject.
