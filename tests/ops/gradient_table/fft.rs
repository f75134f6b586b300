//! Fourier transforms, with the feature of that name.

use demotic::autograd::{FftNorm, FftOptions, StftOptions};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    let x = |shape: &[usize]| spread(shape, -1.0, 1.0);
    let plain = FftOptions::new;
    vec![
        Row::new("fft", move |x| x[0].fft(&plain())?.square().fft(&plain()), [x(&[5, 2])]),
        Row::new("fft", move |x| x[0].fft(&plain().dim(0).n(4))?.square().ifft(&plain()), [x(&[3, 2, 2])]),
        Row::new("rfft", move |x| Ok(x[0].rfft(&plain().norm(FftNorm::Ortho))?.square()), [x(&[2, 5])]).covers("irfft"),
        Row::new("rfft", move |x| Ok(x[0].rfft2(&plain().sizes([4, 3]))?.square()), [x(&[3, 4])]).covers("fft"),
        Row::new("irfft", move |x| Ok(x[0].irfft(&plain())?.square()), [x(&[4, 2])]).covers("rfft"),
        Row::new("irfft", move |x| Ok(x[0].irfft(&plain().dim(0).n(5))?.square()), [x(&[3, 2, 2])]),
        Row::new("rfft", |x| Ok(x[0].stft(4, &StftOptions::new().window(&x[1]))?.square()), [x(&[9]), x(&[4])]),
        Row::new("irfft", |x| x[0].istft(4, &StftOptions::new().window(&x[1].exp()), None), [x(&[3, 3, 2]), x(&[4])]),
    ]
}
