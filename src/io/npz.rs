//! Archives of NumPy as sources of parameters.

use super::{TensorInfo, TensorSource};
use crate::data::Npz;
use crate::error::{Here, Result};
use crate::tensor::{DType, Tensor};

/// Arrays by their names. What cannot be read, such as an array of texts, is there without a type.
impl TensorSource for Npz {
    fn infos(&self) -> Vec<TensorInfo> {
        let info = |(name, header): (&str, Option<(Vec<usize>, DType)>)| match header {
            Some((shape, dtype)) => TensorInfo::new(name, shape, Some(dtype)),
            None => TensorInfo::new(name, [], None),
        };
        self.headers().map(info).collect()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        Self::read(self, name).here()
    }

    fn describe(&self) -> String {
        self.place().to_string()
    }
}
