//! Operations whose forward and backward passes are written as a whole.

use demotic::autograd::checkpoint;

use crate::row::{Row, spread};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new("checkpoint", |x| checkpoint(|x| x.sin().mul(x), &x[0]), [spread(&[2, 3], -2.0, 2.0)]).covers("alias"),
    ]
}
