use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a [`Callback`](super::Callback) remembers: whatever serde can write and read.
pub trait CallbackState {
    /// As JSON, for the checkpoint.
    ///
    /// # Errors
    /// What JSON cannot hold, such as a map whose keys are no strings.
    fn save(&self) -> Result<Value, String>;

    /// As it was when it was saved.
    ///
    /// # Errors
    /// Why the state cannot be its own.
    fn load(&mut self, saved: &Value) -> Result<(), String>;
}

impl<T: Serialize + DeserializeOwned> CallbackState for T {
    fn save(&self) -> Result<Value, String> {
        serde_json::to_value(self).map_err(|error| error.to_string())
    }

    fn load(&mut self, saved: &Value) -> Result<(), String> {
        *self = T::deserialize(saved).map_err(|error| error.to_string())?;
        Ok(())
    }
}
