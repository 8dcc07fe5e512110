//! Image transforms, policies by modality, and the batch assembler.
