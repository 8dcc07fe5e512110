//! The program driven from outside, and the rules of the architecture: see the integration tests.
