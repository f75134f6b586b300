//! Fourier transforms against PyTorch.

use crate::golden::Case;
use demotic::autograd::{FftNorm, FftOptions, StftOptions};
use demotic::{PaddingMode, Result, Tensor};

#[test]
fn fft() {
    crate::golden::check("fft", &|case, x| compute(case, x));
}

fn options(case: &Case) -> FftOptions {
    let mut options = FftOptions::new();
    if let Some(n) = case.attr("n") {
        options = options.n(n);
    }
    if let Some(sizes) = case.attr::<Option<Vec<usize>>>("s") {
        options = options.sizes(sizes);
    }
    match case.attr::<Option<serde_json::Value>>("dim") {
        Some(serde_json::Value::Number(_)) => options = options.dim(case.attr("dim")),
        Some(_) => options = options.dims(&case.attr::<Vec<isize>>("dim")),
        None => (),
    }
    match case.attr_or("norm", "backward".to_string()).as_str() {
        "backward" => options,
        "ortho" => options.norm(FftNorm::Ortho),
        "forward" => options.norm(FftNorm::Forward),
        norm => panic!("{}: no norm {norm}", case.id),
    }
}

fn stft_options(case: &Case, window: Option<&Tensor>) -> StftOptions {
    let mut options = StftOptions::new()
        .center(case.attr_or("center", true))
        .normalized(case.attr_or("normalized", false))
        .onesided(case.attr_or("onesided", true))
        .pad_mode(match case.attr_or("pad_mode", "reflect".to_string()).as_str() {
            "reflect" => PaddingMode::Reflect,
            "constant" => PaddingMode::Zeros,
            "replicate" => PaddingMode::Replicate,
            "circular" => PaddingMode::Circular,
            mode => panic!("{}: no mode {mode}", case.id),
        });
    if let Some(hop) = case.attr("hop_length") {
        options = options.hop_length(hop);
    }
    if let Some(win) = case.attr("win_length") {
        options = options.win_length(win);
    }
    match window {
        Some(window) => options.window(window),
        None => options,
    }
}

pub(crate) fn compute(case: &Case, x: &[Tensor]) -> Result<Vec<Tensor>> {
    let dims = || case.attr_or::<Option<Vec<isize>>>("dims", None).unwrap_or_default();
    let n_fft = || case.attr::<usize>("n_fft");
    Ok(vec![match case.op.as_str() {
        "fft" => x[0].fft(&options(case))?,
        "ifft" => x[0].ifft(&options(case))?,
        "rfft" => x[0].rfft(&options(case))?,
        "irfft" => x[0].irfft(&options(case))?,
        "hfft" => x[0].hfft(&options(case))?,
        "ihfft" => x[0].ihfft(&options(case))?,
        "fft2" => x[0].fft2(&options(case))?,
        "ifft2" => x[0].ifft2(&options(case))?,
        "rfft2" => x[0].rfft2(&options(case))?,
        "irfft2" => x[0].irfft2(&options(case))?,
        "fftn" => x[0].fftn(&options(case))?,
        "ifftn" => x[0].ifftn(&options(case))?,
        "rfftn" => x[0].rfftn(&options(case))?,
        "irfftn" => x[0].irfftn(&options(case))?,
        "fftfreq" => Tensor::fftfreq(case.attr("n"), case.attr("d"), x[0].dtype())?,
        "rfftfreq" => Tensor::rfftfreq(case.attr("n"), case.attr("d"), x[0].dtype())?,
        "fftshift" => x[0].fftshift(&dims())?,
        "ifftshift" => x[0].ifftshift(&dims())?,
        "polar" => Tensor::polar(&x[0], &x[1])?,
        "complex_abs" => x[0].complex_abs()?,
        "complex_angle" => x[0].complex_angle()?,
        "complex_conj" => x[0].complex_conj()?,
        "complex_mul" => x[0].complex_mul(&x[1])?,
        "stft" => x[0].stft(n_fft(), &stft_options(case, x.get(1)))?,
        "istft" => x[0].istft(n_fft(), &stft_options(case, x.get(1)), case.attr("length"))?,
        "back" => {
            let options = stft_options(case, x.get(1));
            x[0].stft(n_fft(), &options)?.istft(n_fft(), &options, case.attr("length"))?
        }
        "window" => {
            let (n, periodic, dtype) = (case.attr("n"), case.attr("periodic"), x[0].dtype());
            match case.attr::<String>("kind").as_str() {
                "hann" => Tensor::hann_window(n, periodic, dtype)?,
                "hamming" => Tensor::hamming_window(n, periodic, dtype)?,
                "blackman" => Tensor::blackman_window(n, periodic, dtype)?,
                "bartlett" => Tensor::bartlett_window(n, periodic, dtype)?,
                "kaiser" => Tensor::kaiser_window(n, periodic, case.attr_or("beta", 12.0), dtype)?,
                kind => panic!("{}: no window {kind}", case.id),
            }
        }
        op => panic!("{}: no op {op}", case.id),
    }])
}
