//! The figures the field reports: AUC, ACC, F1, and their harmonic mean.
