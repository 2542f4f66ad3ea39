"""Programs of others that the interop tests and the benchmarks talk to, on loopback only."""
