//! A scripted fake.
