//! Operations that move elements.

use crate::row::{Row, spread};

pub fn rows() -> Vec<Row> {
    let x = |shape: &[usize]| spread(shape, -2.0, 2.0);
    vec![
        Row::new("reshape", |x| x[0].reshape([2, 6]), [x(&[3, 4])]),
        Row::new("permute", |x| x[0].permute(&[2, 0, 1]), [x(&[2, 3, 2])]),
        Row::new("permute", |x| Ok(x[0].t()), [x(&[3, 4])]),
        Row::new("permute", |x| x[0].transpose(0, -1), [x(&[2, 3, 2])]),
        Row::new("broadcast_to", |x| x[0].broadcast_to([2, 3, 4]), [x(&[3, 1])]),
        Row::new("contiguous", |x| Ok(x[0].t().contiguous()), [x(&[3, 4])]),
        Row::new("unsqueeze", |x| x[0].unsqueeze(1), [x(&[3, 4])]),
        Row::new("squeeze", |x| x[0].squeeze(1), [x(&[3, 1, 4])]),
    ]
}
