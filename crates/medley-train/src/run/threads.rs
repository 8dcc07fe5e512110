use medley_models::environment;

/// Gives libtorch's number of threads back when it is dropped. The number belongs to the calling thread, as libtorch keeps it.
pub(crate) struct RestoreThreads {
    before: usize,
}

impl RestoreThreads {
    /// Restores the present number.
    pub(crate) fn later() -> Self {
        Self { before: environment::threads() }
    }
}

impl Drop for RestoreThreads {
    fn drop(&mut self) {
        environment::set_threads(self.before);
    }
}
