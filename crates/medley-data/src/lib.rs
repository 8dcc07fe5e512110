//! MedMNIST files: registry, guarded reading, sealed test labels, synthetic sets.
