//! Weights and other numbers that are part of the file.

use half::f16;

use crate::OnnxError;

/// Types of values, of those that ONNX has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    /// IEEE 754 binary32.
    Float,
    /// IEEE 754 binary16.
    Float16,
    /// Bytes of images.
    Uint8,
    /// Shapes and indices.
    Int64,
}

impl DataType {
    /// ONNX's number for it, `TensorProto.DataType`.
    pub fn code(self) -> i32 {
        match self {
            Self::Float => 1,
            Self::Uint8 => 2,
            Self::Int64 => 7,
            Self::Float16 => 10,
        }
    }

    /// The type of one of those numbers.
    pub fn from_code(code: i32) -> Option<Self> {
        [Self::Float, Self::Float16, Self::Uint8, Self::Int64].into_iter().find(|dtype| dtype.code() == code)
    }

    /// Bytes of one value.
    pub fn size(self) -> usize {
        match self {
            Self::Float => 4,
            Self::Float16 => 2,
            Self::Uint8 => 1,
            Self::Int64 => 8,
        }
    }

    /// `NumPy`'s name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float => "float32",
            Self::Float16 => "float16",
            Self::Uint8 => "uint8",
            Self::Int64 => "int64",
        }
    }

    /// Whether it is one of the two floats.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Float16)
    }
}

/// A tensor of numbers that are known: row-major, little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    pub(crate) dtype: DataType,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Constant {
    /// 32-bit floats.
    ///
    /// # Errors
    /// [`OnnxError::Length`]; [`OnnxError::NotFinite`], because a network with such a weight answers nothing.
    pub fn f32(shape: &[usize], values: &[f32]) -> Result<Self, OnnxError> {
        check_length(shape, values.len())?;
        check_finite(values, |value| value, DataType::Float)?;
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(Self { dtype: DataType::Float, shape: shape.to_vec(), bytes })
    }

    /// 16-bit floats, the nearest to the given ones.
    ///
    /// # Errors
    /// As [`Self::f32`], and [`OnnxError::NotFinite`] for numbers beyond 65,504.
    pub fn f16(shape: &[usize], values: &[f32]) -> Result<Self, OnnxError> {
        check_length(shape, values.len())?;
        check_finite(values, |value| f16::from_f32(value).to_f32(), DataType::Float16)?;
        let bytes = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        Ok(Self { dtype: DataType::Float16, shape: shape.to_vec(), bytes })
    }

    /// Floats of either width.
    ///
    /// # Errors
    /// As [`Self::f32`] and [`Self::f16`]; [`OnnxError::Operator`] for a type that is no float.
    pub fn float(dtype: DataType, shape: &[usize], values: &[f32]) -> Result<Self, OnnxError> {
        match dtype {
            DataType::Float => Self::f32(shape, values),
            DataType::Float16 => Self::f16(shape, values),
            other => {
                Err(OnnxError::Operator { operator: "Constant", problem: format!("{} is no float", other.name()) })
            }
        }
    }

    /// A list of integers; a shape of none is one number.
    ///
    /// # Errors
    /// [`OnnxError::Length`].
    pub fn i64(shape: &[usize], values: &[i64]) -> Result<Self, OnnxError> {
        check_length(shape, values.len())?;
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Ok(Self { dtype: DataType::Int64, shape: shape.to_vec(), bytes })
    }
}

fn check_length(shape: &[usize], actual: usize) -> Result<(), OnnxError> {
    let expected = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side)).unwrap_or(usize::MAX);
    if expected == actual && actual > 0 {
        Ok(())
    } else {
        Err(OnnxError::Length { shape: shape.to_vec(), expected, actual })
    }
}

fn check_finite(values: &[f32], stored: impl Fn(f32) -> f32, dtype: DataType) -> Result<(), OnnxError> {
    match values.iter().find(|&&value| !stored(value).is_finite()) {
        None => Ok(()),
        Some(&value) => Err(OnnxError::NotFinite { value, dtype: dtype.name() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_stored_are_refused() {
        assert!(matches!(Constant::f32(&[2], &[1.0]), Err(OnnxError::Length { expected: 2, actual: 1, .. })));
        assert!(matches!(Constant::f32(&[0], &[]), Err(OnnxError::Length { .. })));
        assert!(matches!(Constant::f32(&[usize::MAX, 2], &[1.0]), Err(OnnxError::Length { .. })));
        assert!(matches!(Constant::f32(&[1], &[f32::NAN]), Err(OnnxError::NotFinite { .. })));
        assert!(Constant::f32(&[1], &[1e30]).is_ok());
        let error = Constant::f16(&[2], &[1.0, -65_520.0]).unwrap_err().to_string();
        assert!(error.starts_with("a constant holds -65520, which float16 has no finite number for"), "{error}");
        assert_eq!(Constant::f16(&[1], &[65_504.0]).unwrap().bytes, [0xff, 0x7b]);
    }
}
