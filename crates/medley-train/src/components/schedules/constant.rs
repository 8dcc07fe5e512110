use super::{Position, Schedule};

medley_core::keys! {
    /// The peak throughout.
    pub struct Constant {}
}

impl Schedule for Constant {
    fn factor(&self, _position: Position) -> f64 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScheduleChoice, rates};
    use super::*;

    #[test]
    fn it_stays() {
        assert_eq!(rates(ScheduleChoice::Constant(Constant::default()), 3), [1.0; 3]);
    }
}
