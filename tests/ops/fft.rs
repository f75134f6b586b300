//! What Fourier transforms refuse, their edges, and long ones.

use std::f64::consts::TAU;

use demotic::autograd::{FftNorm, FftOptions, StftOptions};
use demotic::parallel::with_threads;
use demotic::{DType, ErrorKind, PaddingMode, Result, Rng, Tensor, tensor};

fn said<T>(result: Result<T>) -> (ErrorKind, String) {
    let e = result.err().expect("an error");
    (e.kind(), e.message())
}

fn plain() -> FftOptions {
    FftOptions::new()
}

#[test]
fn what_is_refused() {
    let real = tensor![1.0, 2.0, 3.0];
    let e = real.fft(&plain()).unwrap_err();
    let line = line!() - 1;
    assert_eq!(
        e.to_string(),
        format!(
            "fft: shape [3], expected complex numbers as a last dimension of 2\n  at {}:{line}\n  help: rfft takes real numbers; \
             Tensor::complex makes pairs of them",
            file!()
        )
    );
    assert_eq!(said(Tensor::scalar(1.0).fft(&plain())).0, ErrorKind::Shape);
    assert_eq!(said(Tensor::scalar(1.0).rfft(&plain())).0, ErrorKind::Shape);
    assert_eq!(
        said(real.to_dtype(DType::I64).rfft(&plain())),
        (ErrorKind::DType, "rfft: the input must be f32 or f64, not i64".into())
    );
    assert_eq!(
        said(real.rfft(&plain().dim(1))),
        (ErrorKind::Index, "rfft: dimension 1 is out of range for 1 dimension (-1 ..= 0)".into())
    );
    let nothing = "a transform of 0 numbers, expected at least 1";
    assert_eq!(said(real.rfft(&plain().n(0))), (ErrorKind::Argument, format!("rfft: {nothing}")));
    assert_eq!(said(Tensor::zeros([2, 0]).unwrap().rfft(&plain())).1, format!("rfft: {nothing}"));
    assert_eq!(said(Tensor::zeros([0, 2]).unwrap().ifft(&plain())).1, format!("ifft: {nothing}"));
    assert_eq!(said(Tensor::zeros([1, 2]).unwrap().irfft(&plain())).1, format!("irfft: {nothing}"));
    assert_eq!(
        said(Tensor::zeros([2, 3]).unwrap().rfft(&plain().sizes([2, 3]))).1,
        "rfft: 2 dimensions or sizes, expected 1"
    );
    assert_eq!(
        said(Tensor::zeros([2, 3]).unwrap().rfftn(&plain().sizes([2, 3]).dims(&[0]))).1,
        "rfftn: 2 dimensions or sizes, expected 1"
    );
    assert_eq!(
        said(Tensor::zeros([2, 3]).unwrap().rfft2(&plain().dims(&[1, -1]))),
        (ErrorKind::Index, "rfft2: dimension -1 is named twice".into())
    );
    assert_eq!(said(real.rfft2(&plain())).1, "rfft2: 2 dimensions to transform, the input has 1");
    assert_eq!(said(real.rfftn(&plain().dims(&[]))).1, "rfftn: no dimension to transform");
    assert_eq!(said(Tensor::ones([1; 8]).unwrap().rfft(&plain())).0, ErrorKind::Shape);
    assert_eq!(
        said(Tensor::complex(&tensor![1.0, 2.0], &tensor![1.0, 2.0, 3.0])).1,
        "complex: parts of shapes [2] and [3] do not broadcast"
    );
    assert_eq!(said(Tensor::complex(&real, &real.to_dtype(DType::F64))).0, ErrorKind::DType);
    assert_eq!(
        said(Tensor::fftfreq(4, 0.0, DType::F32)).1,
        "fftfreq: samples are 0 apart, expected a number other than 0"
    );
    assert_eq!(said(Tensor::fftfreq(4, f64::NAN, DType::F32)).0, ErrorKind::Argument);
    assert_eq!(
        said(Tensor::hann_window(4, true, DType::I64)).1,
        "hann_window: i64 cannot hold fractions, expected a floating type"
    );
    assert_eq!(
        said(Tensor::kaiser_window(4, true, f64::INFINITY, DType::F32)).1,
        "kaiser_window: beta is inf, expected a number from 0 to 700"
    );
    assert_eq!(said(real.fftshift(&[3])).0, ErrorKind::Index);
}

/// Lengths that no memory holds are errors, also of batches without elements.
#[test]
fn huge_lengths() {
    for n in [1 << 45, usize::MAX / 2, usize::MAX] {
        assert_eq!(said(tensor![1.0].rfft(&plain().n(n))).0, ErrorKind::Shape);
        assert_eq!(said(tensor![[1.0, 0.0]].fft(&plain().n(n))).0, ErrorKind::Shape);
        assert_eq!(said(tensor![[1.0, 0.0]].irfft(&plain().n(n))).0, ErrorKind::Shape);
        for result in [Tensor::hann_window(n, true, DType::F32), Tensor::rfftfreq(n, 1.0, DType::F32)] {
            assert_eq!(said(result).0, ErrorKind::Argument);
        }
        let options = StftOptions::new().hop_length(n);
        assert!(tensor![1.0].stft(n, &StftOptions::new()).is_err());
        assert!(Tensor::ones([20]).unwrap().stft(8, &options).is_ok());
        assert!(Tensor::ones([5, 3, 2]).unwrap().istft(8, &options, None).is_err());
        assert!(Tensor::ones([5, 3, 2]).unwrap().istft(8, &StftOptions::new(), Some(n)).is_err());
    }
    let empty = Tensor::zeros([0, 4]).unwrap();
    if let Ok(y) = empty.rfft(&plain().n(1 << 40)) {
        assert_eq!(y.shape(), [0, (1 << 39) + 1, 2]);
    }
    assert_eq!(empty.rfft(&plain()).unwrap().shape(), [0, 3, 2]);
    assert_eq!(Tensor::zeros([0, 4, 2]).unwrap().irfft(&plain()).unwrap().shape(), [0, 6]);
    assert_eq!(Tensor::zeros([4, 0, 2]).unwrap().fft(&plain().dim(0)).unwrap().shape(), [4, 0, 2]);
}

#[test]
fn what_short_time_transforms_refuse() {
    let x = Tensor::ones([10]).unwrap();
    let options = StftOptions::new();
    assert_eq!(said(x.stft(0, &options)).1, "stft: n_fft is 0 and hop_length 0, expected at least 1");
    assert_eq!(said(x.stft(3, &options)).1, "stft: n_fft is 3 and hop_length 0, expected at least 1");
    assert_eq!(
        said(x.stft(8, &options.clone().win_length(9))).1,
        "stft: win_length is 9, expected 1 to 8, which is n_fft"
    );
    assert_eq!(said(x.stft(8, &options.clone().window(&tensor![1.0]))).1, "stft: a window of shape [1], expected [8]");
    let double = Tensor::hann_window(8, true, DType::F64).unwrap();
    assert_eq!(said(x.stft(8, &options.clone().window(&double))).0, ErrorKind::DType);
    assert_eq!(
        said(x.stft(12, &options.clone().center(false))).1,
        "stft: 10 samples, expected at least 12, which is n_fft"
    );
    assert_eq!(said(Tensor::scalar(1.0).stft(4, &options.clone().center(false))).0, ErrorKind::Shape);
    assert_eq!(said(Tensor::zeros([2, 0]).unwrap().stft(4, &options)).0, ErrorKind::Argument);
    // Mirrored margins are smaller than the signal; zeros need not be.
    assert_eq!(said(x.stft(20, &options)).0, ErrorKind::Argument);
    assert!(x.stft(20, &options.clone().pad_mode(PaddingMode::Zeros)).is_ok());
    let spectra = x.stft(8, &options).unwrap();
    assert_eq!(
        said(spectra.istft(6, &options, None)).1,
        "istft: 5 frequencies of 6 stretches, expected 4 of at least 1"
    );
    assert_eq!(said(tensor![[1.0, 2.0]].istft(8, &options, None)).0, ErrorKind::Shape);
    let gaps = StftOptions::new().hop_length(9).center(false);
    assert_eq!(
        said(Tensor::ones([5, 3, 2]).unwrap().istft(8, &gaps, None)).1,
        "istft: sample 8 is not covered by any window"
    );
    let hann = StftOptions::new().window(&Tensor::hann_window(8, true, DType::F32).unwrap()).center(false);
    assert_eq!(said(spectra.istft(8, &hann, None)).1, "istft: sample 0 is not covered by any window");
}

/// Against the sum itself, in double precision, for lengths of every kind: powers, products, primes.
#[test]
fn transforms_are_the_sum_that_they_are_called() -> Result<()> {
    let mut rng = Rng::seed(3);
    for n in [64, 100, 97, 263, 384] {
        let x = Tensor::normal([n, 2], 0.0, 1.0, &mut rng)?;
        let values = x.to_f64_vec();
        let mut sums = Vec::with_capacity(2 * n);
        for k in 0..n {
            let (mut re, mut im) = (0.0, 0.0);
            for (t, z) in values.chunks_exact(2).enumerate() {
                let (sin, cos) = (-TAU * ((k * t) % n) as f64 / n as f64).sin_cos();
                re += z[0] * cos - z[1] * sin;
                im += z[0] * sin + z[1] * cos;
            }
            sums.extend([re, im]);
        }
        for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-11)] {
            let y = x.to_dtype(dtype).fft(&plain())?;
            let far = y.to_f64_vec().iter().zip(&sums).fold(0.0, |far: f64, (a, b)| far.max((a - b).abs()));
            assert!(far < tolerance, "{n} {dtype}: {far:e}");
            let half = x.to_dtype(dtype).select(-1, 0)?.rfft(&plain())?;
            let whole = Tensor::complex(&x.to_dtype(dtype).select(-1, 0)?, &Tensor::zeros([n])?.to_dtype(dtype))?;
            let same = whole.fft(&plain())?.narrow(0, 0, n / 2 + 1)?;
            assert!(half.sub(&same)?.abs().max()?.item()? < tolerance, "{n} {dtype}");
            let again = half.irfft(&plain().n(n))?.sub(&x.to_dtype(dtype).select(-1, 0)?)?;
            assert!(again.abs().max()?.item()? < tolerance, "{n} {dtype}");
        }
    }
    Ok(())
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let run = || -> Result<Vec<f32>> {
        let mut rng = Rng::seed(1);
        let mut all = Vec::new();
        for shape in [[64, 1000], [300, 128], [3, 30_000]] {
            let x = Tensor::normal(shape, 0.0, 1.0, &mut rng)?.tracked()?;
            let spectra = x.rfft2(&plain().norm(FftNorm::Ortho))?;
            let loss =
                spectra.irfft2(&plain())?.square().sum().add(&x.stft(64, &StftOptions::new())?.square().sum())?;
            all.extend(loss.backward()?.wrt(&x)?.to_vec::<f32>()?);
            all.extend(spectra.to_vec::<f32>()?);
        }
        Ok(all)
    };
    let one = with_threads(1, run)??;
    for threads in [2, 3] {
        let several = with_threads(threads, run)??;
        assert!(one.iter().zip(&several).all(|(a, b)| a.to_bits() == b.to_bits()), "{threads} threads");
    }
    Ok(())
}

/// 16-bit signals are computed in `F32`, and rounded once.
#[test]
fn narrow_types() -> Result<()> {
    let x = tensor![0.5, 1.0, -2.0, 4.0].to_dtype(DType::BF16);
    let y = x.rfft(&plain())?;
    assert_eq!(y.dtype(), DType::BF16);
    assert_eq!(y.to_f64_vec(), [3.5, 0.0, 2.5, 3.0, -6.5, 0.0]);
    assert_eq!(y.irfft(&plain())?.to_f64_vec(), x.to_f64_vec());
    Ok(())
}
