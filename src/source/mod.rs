//! Turns a path or a pipe into a stream of decompressed bytes, hashing what is stored as it goes.
