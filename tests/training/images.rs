//! Data sets of pictures: files that lie, are truncated or missing; steps that make no sense; the same bits on any number of threads.

use std::fs;
use std::path::Path;

use demotic::data::*;
use demotic::{DType, Error, ErrorKind, Result, Rng, Tensor};

fn picture(channels: usize, height: usize, width: usize) -> Tensor {
    Tensor::uniform([channels, height, width], 0.0, 1.0, &mut Rng::seed(3)).unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A message without the folder in it.
fn message<T>(result: Result<T>, folder: &Path) -> String {
    let text = result.err().expect("an error").message();
    text.replace(&format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR), "")
        .replace(&folder.display().to_string(), ".")
}

fn idx(kind: u8, sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, sizes.len() as u8];
    sizes.iter().for_each(|n| bytes.extend(n.to_be_bytes()));
    bytes.extend(data);
    bytes
}

#[test]
fn idx_files_of_every_kind() {
    let folder = folder();
    let path = folder.path().join("file");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read_idx(&path)
    };
    let bytes = read(&idx(0x08, &[2, 2], &[1, 2, 3, 255])).unwrap();
    assert_eq!((bytes.shape(), bytes.to_vec::<u8>().unwrap()), (&[2, 2][..], vec![1, 2, 3, 255]));
    assert_eq!(read(&idx(0x09, &[2], &[1, 255])).unwrap().to_vec::<i8>().unwrap(), [1, -1]);
    assert_eq!(read(&idx(0x0b, &[1], &[255, 254])).unwrap().to_vec::<i64>().unwrap(), [-2]);
    assert_eq!(read(&idx(0x0c, &[1], &[0, 1, 0, 0])).unwrap().to_vec::<i64>().unwrap(), [65536]);
    assert_eq!(read(&idx(0x0d, &[1], &1.5f32.to_be_bytes())).unwrap().to_vec::<f32>().unwrap(), [1.5]);
    assert_eq!(read(&idx(0x0e, &[1], &(-2.5f64).to_be_bytes())).unwrap().to_vec::<f64>().unwrap(), [-2.5]);

    let wrong = |bytes: &[u8]| message(read(bytes), folder.path());
    assert_eq!(wrong(b"P5 2 2"), "read_idx: file: this is no IDX file");
    assert_eq!(read(&[0x1f, 0x8b, 8, 0, 0]).unwrap_err().help(), Some("it is compressed: unpack it with gunzip"));
    assert_eq!(wrong(&idx(0x07, &[1], &[1])), "read_idx: file: elements of the unknown kind 0x07");
    assert_eq!(wrong(&idx(0x08, &[3], &[1, 2])), "read_idx: file: [3] elements of 1 bytes, but 2 bytes of data");
    assert_eq!(wrong(&[0, 0, 8, 3, 0, 0]), "read_idx: file: a header of 3 dimensions in a file of 6 bytes");
    // Sizes that no file could hold take no memory.
    assert!(read(&idx(0x08, &[u32::MAX, u32::MAX, u32::MAX], &[1])).is_err());
    assert!(read(&idx(0x0e, &[u32::MAX; 8], &[1])).is_err());
    assert_eq!(read(&idx(0x08, &[0, 5], &[])).unwrap().shape(), [0, 5]);
    for cut in 0..20 {
        let whole = idx(0x08, &[2, 2], &[1, 2, 3, 4]);
        assert!(cut >= whole.len() || read(&whole[..cut]).is_err());
    }
    assert_eq!(read_idx(folder.path().join("none")).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn mnist_and_cifar() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("train-images-idx3-ubyte"), idx(0x08, &[2, 1, 2], &[0, 1, 2, 3])).unwrap();
    fs::write(path("train-labels.idx1-ubyte"), idx(0x08, &[2], &[7, 0])).unwrap();
    let (x, y) = read_mnist(folder.path(), true).unwrap();
    assert_eq!((x.shape(), y.to_vec::<i64>().unwrap()), (&[2, 1, 1, 2][..], vec![7, 0]));
    assert_eq!(read_mnist(folder.path(), false).unwrap_err().kind(), ErrorKind::Io);
    fs::write(path("train-labels.idx1-ubyte"), idx(0x08, &[3], &[7, 0, 1])).unwrap();
    assert_eq!(
        message(read_mnist(folder.path(), true), folder.path()),
        "read_mnist: .: pictures of shape [2, 1, 2] and labels of shape [3]"
    );

    let mut record = vec![9];
    record.extend((0..3072).map(|i| (i % 251) as u8));
    fs::write(path("batch"), [record.clone(), record.clone()].concat()).unwrap();
    let (x, y) = read_cifar10(&[path("batch"), path("batch")]).unwrap();
    assert_eq!((x.shape(), y.to_vec::<i64>().unwrap()), (&[4, 3, 32, 32][..], vec![9; 4]));
    assert_eq!(x.index((3, 2, 31, 31)).unwrap().item().unwrap(), f64::from(3071 % 251));
    record[0] = 10;
    fs::write(path("batch"), &record).unwrap();
    assert_eq!(
        message(read_cifar10(&[path("batch")]), folder.path()),
        "read_cifar10: batch: picture 0 has the label 10, expected less than 10"
    );
    record.insert(0, 3);
    fs::write(path("batch"), &record).unwrap();
    assert_eq!(read_cifar100(&[path("batch")]).unwrap().1.to_vec::<i64>().unwrap(), [10]);
    record.pop();
    fs::write(path("batch"), &record).unwrap();
    assert_eq!(
        message(read_cifar100(&[path("batch")]), folder.path()),
        "read_cifar100: batch: 3073 bytes, expected a multiple of 3074"
    );
}

#[test]
fn steps_say_what_makes_no_sense() {
    let x = picture(3, 6, 8);
    let apply = |steps: Transforms| match steps.apply(&x, &mut Rng::seed(0)) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(e) => e.message(),
    };
    let new = Transforms::new;
    assert_eq!(apply(new().resize([0, 3])), "transform: the size is [0, 3], expected at least 1");
    assert_eq!(
        apply(new().random_crop([9, 9], 1)),
        "transform: a part of [9, 9] of a picture of 6 by 8 with a margin of 1"
    );
    assert_eq!(apply(new().random_horizontal_flip(1.5)), "transform: p is 1.5, expected a probability from 0 to 1");
    assert_eq!(
        apply(new().random_resized_crop([4, 4], [0.8, 0.2], [1.0, 1.0])),
        "transform: the scale is [0.8, 0.2], expected two positive numbers, the smaller first"
    );
    assert_eq!(
        apply(new().random_adjust_sharpness(-0.5, 1.0)),
        "transform: the sharpness is -0.5, expected a factor of at least 0"
    );
    assert_eq!(apply(new().random_posterize(9, 0.5)), "transform: the number of bits is 9, expected 0 to 8");
    assert_eq!(
        apply(new().random_solarize(f64::NAN, 0.5)),
        "transform: the threshold is NaN, expected a number from 0 to 1"
    );
    assert_eq!(apply(new().random_equalize(2.0)), "transform: p is 2.0, expected a probability from 0 to 1");
    assert_eq!(apply(new().rand_augment(2, 31)), "transform: the magnitude is 31, expected 0 to 30");
    assert_eq!(
        apply(new().rand_augment(1 << 40, 9)),
        "transform: the number of changes is 1099511627776, expected at most 100"
    );
    assert_eq!(apply(new().gaussian_blur(4, [1.0, 1.0])), "transform: the kernel is 4, expected an odd number");
    assert_eq!(apply(new().gaussian_blur(13, [1.0, 1.0])), "transform: a blur over 13 pixels of a picture of 6 by 8");
    assert_eq!(
        apply(new().normalize(&[0.5; 2], &[0.5])),
        "transform: the number of channels is 3, expected as many numbers, or one"
    );
    assert_eq!(apply(new().normalize(&[0.5], &[0.0])), "transform: the deviation is [0.0], expected no zero");
    assert_eq!(
        apply(new().color_jitter(0.1, 0.1, 0.1, 0.7)),
        "transform: the hue is [-0.7, 0.7], expected shares from -0.5 to 0.5, the smaller first"
    );
    let gray = picture(1, 6, 8);
    let e = new().color_jitter(0.1, 0.1, 0.1, 0.0).apply(&gray, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "transform: the number of channels is 1, expected 3, for saturation and hue");
    assert!(new().color_jitter(0.1, 0.1, 0.0, 0.0).apply(&gray, &mut Rng::seed(0)).is_ok());
    let e = new().apply(&Tensor::zeros([6, 8]).unwrap(), &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "transform: a picture [6, 8] of f32, expected [channels, height, width] of f32");
    for size in [usize::MAX, 1 << 62, 1 << 40] {
        assert_ne!(apply(new().resize([size, size])), "nothing is wrong");
        assert_ne!(apply(new().resize_shorter(size)), "nothing is wrong");
        assert_ne!(apply(new().center_crop([size, size])), "nothing is wrong");
        assert_ne!(apply(new().random_crop([size, size], size)), "nothing is wrong");
        assert_ne!(apply(new().gaussian_blur(size | 1, [1.0, 1.0])), "nothing is wrong");
    }
    for angle in [f64::NAN, f64::INFINITY] {
        assert_ne!(apply(new().random_rotation(angle)), "nothing is wrong");
    }
}

/// Whole turns, shifts by whole pixels and pictures seen from no side are what they should be.
#[test]
fn steps_that_move_pixels_by_whole_places() {
    let x = picture(2, 5, 5);
    let apply = |steps: Transforms| steps.apply(&x, &mut Rng::seed(9)).unwrap();
    let far = |a: &Tensor, b: &Tensor| a.sub(b).unwrap().abs().max().unwrap().item().unwrap();
    let turned = apply(Transforms::new().random_rotation([180.0, 180.0]));
    assert!(far(&turned, &x.flip(&[1, 2]).unwrap()) < 1e-5);
    let quarter = apply(Transforms::new().random_rotation([90.0, 90.0]));
    assert!(far(&quarter, &x.transpose(1, 2).unwrap().flip(&[2]).unwrap()) < 1e-5);
    assert!(far(&apply(Transforms::new().random_perspective(0.0, 1.0)), &x) < 1e-5);
    assert_eq!(apply(Transforms::new().random_horizontal_flip(1.0)).to_f64_vec(), x.flip(&[2]).unwrap().to_f64_vec());
    assert_eq!(apply(Transforms::new().random_vertical_flip(1.0)).to_f64_vec(), x.flip(&[1]).unwrap().to_f64_vec());
    let part = apply(Transforms::new().random_crop([3, 2], 0)).to_f64_vec();
    let places = (0..3).flat_map(|top| (0..4).map(move |left| (top, left)));
    let mut parts = places.map(|(top, left)| x.narrow(1, top, 3).unwrap().narrow(2, left, 2).unwrap().to_f64_vec());
    assert!(parts.any(|whole| whole == part));
    let erased = apply(Transforms::new().random_erasing(1.0, [0.2, 0.4], [0.5, 2.0]));
    let zeros = erased.eq_scalar(0.0).count_nonzero().item().unwrap();
    assert!((2.0 * 4.0..=2.0 * 12.0).contains(&zeros), "{zeros}");
    assert_eq!(apply(Transforms::new().random_resized_crop([7, 3], [0.2, 1.0], [0.5, 2.0])).shape(), [2, 7, 3]);
}

fn everything() -> Transforms {
    Transforms::new()
        .random_resized_crop([12, 12], [0.4, 1.0], [0.75, 1.33])
        .random_horizontal_flip(0.5)
        .random_affine([-20.0, 20.0], [0.1, 0.1], [0.9, 1.1], [-5.0, 5.0])
        .random_perspective(0.4, 0.5)
        .color_jitter(0.3, 0.3, 0.3, 0.1)
        .random_grayscale(0.2)
        .rand_augment(2, 12)
        .gaussian_blur(3, [0.3, 1.5])
        .random_erasing(0.5, [0.05, 0.2], [0.3, 3.0])
        .normalize(&[0.5; 3], &[0.25; 3])
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let bytes = Tensor::uniform([20, 3, 15, 17], 0.0, 255.0, &mut Rng::seed(1)).unwrap().to_dtype(DType::U8);
    let data = ImageDataset::new(bytes, Tensor::arange(20).unwrap()).unwrap().transform(everything());
    let epoch = |threads, seed| {
        demotic::parallel::with_threads(threads, || {
            let mut rng = Rng::seed(seed);
            let batches = data.batches(8).shuffle(&mut rng).map(Result::unwrap);
            batches.map(|(x, y)| (x.to_f64_vec(), y.to_vec::<i64>().unwrap())).collect::<Vec<_>>()
        })
        .unwrap()
    };
    let one = epoch(1, 5);
    assert_eq!(one, epoch(2, 5));
    assert_eq!(one, epoch(5, 5));
    assert_ne!(one, epoch(1, 6));
}

/// Batches that are made beside what is done with them are those that are made one after the other.
#[test]
fn batches_made_in_advance() -> Result<()> {
    let bytes = Tensor::uniform([23, 3, 12, 10], 0.0, 255.0, &mut Rng::seed(2))?.to_dtype(DType::U8);
    let data = ImageDataset::new(bytes, Tensor::arange(23)?)?.transform(everything());
    let batches = || data.batches(4).shuffle(&mut Rng::seed(5));
    let wanted: Vec<Vec<f32>> = batches().map(|batch| batch?.0.to_vec()).collect::<Result<_>>()?;
    for threads in [1, 2, 3] {
        let mut found = Vec::new();
        demotic::parallel::with_threads(threads, || {
            batches().prefetch(|(x, _)| {
                found.push(x.to_vec::<f32>()?);
                Ok(())
            })
        })??;
        assert_eq!(found, wanted, "{threads} threads");
    }
    // What goes wrong ends it, in its turn.
    let mut seen = 0;
    let stopped = batches().prefetch(|_| {
        seen += 1;
        if seen == 3 { Err(Error::argument("here", "enough")) } else { Ok(()) }
    });
    assert_eq!((stopped.unwrap_err().message(), seen), ("here: enough".to_string(), 3));
    let mut seen = 0;
    let broken = data.clone().transform(Transforms::new().random_crop([13, 13], 0));
    assert!(
        broken
            .batches(4)
            .prefetch(|_| {
                seen += 1;
                Ok(())
            })
            .is_err()
    );
    assert_eq!(seen, 0);
    assert!(data.batches(0).prefetch(|_| Ok(())).is_err());
    Ok(())
}

#[test]
fn pictures_in_memory_say_what_does_not_fit() {
    let (x, y) = (Tensor::zeros([2, 1, 3, 3]).unwrap(), Tensor::arange(2).unwrap());
    let e = ImageDataset::new(x.clone(), Tensor::arange(3).unwrap()).unwrap_err();
    assert_eq!(e.message(), "ImageDataset: pictures of shape [2, 1, 3, 3] and classes of shape [3]");
    let e = ImageDataset::new(x.clone(), y.to_dtype(DType::F32)).unwrap_err();
    assert_eq!(e.message(), "ImageDataset: classes of f32, expected i64");
    let e = ImageDataset::new(x.clone(), y.neg()).unwrap_err();
    assert_eq!(e.message(), "ImageDataset: class -1 (element 1), expected 0 or more");
    let data = ImageDataset::new(x, y).unwrap();
    assert_eq!(data.picture(2).unwrap_err().message(), "picture: picture 2 of a dataset of 2, counted from 0");
    assert_eq!(data.subset(&[5]).unwrap_err().message(), "subset: picture 5 of a dataset of 2, counted from 0");
    let e = data.batch(&[7], &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "batch: picture 7 of a dataset of 2, counted from 0");
    assert_eq!(data.batch(&[], &mut Rng::seed(0)).unwrap_err().message(), "batch: no pictures");
    let e = data.transform(Transforms::new().resize([0, 1])).batch(&[1], &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.caller(), Some("picture 1"));
}

#[cfg(feature = "image")]
#[test]
fn folders_of_pictures() {
    let folder = folder();
    let root = folder.path();
    let e = message(ImageDataset::open_folder(root, Channels::Rgb), root);
    assert_eq!(e, "open_folder: .: no folders in it, expected one for each class");
    let e = ImageDataset::open_folder(root.join("none"), Channels::Rgb).unwrap_err();
    assert!(e.to_string().contains("at tests/training/images.rs"), "{e}");
    let e = read_image(root.join("none.png"), Channels::Rgb).unwrap_err();
    assert!(e.to_string().contains("at tests/training/images.rs"), "{e}");
    for (class, shade) in [("cats", 0.25), ("dogs", 0.75)] {
        fs::create_dir_all(root.join(class).join("more")).unwrap();
        write_image(root.join(class).join("a.png"), &Tensor::full([3, 4, 6], shade).unwrap()).unwrap();
        write_image(root.join(class).join("more/b.PNG"), &Tensor::full([4, 6], shade).unwrap()).unwrap();
        fs::write(root.join(class).join("notes.txt"), "no picture").unwrap();
    }
    let data = ImageDataset::open_folder(root, Channels::Rgb).unwrap();
    assert_eq!((data.classes(), data.labels()), (&["cats".to_owned(), "dogs".into()][..], &[0, 0, 1, 1][..]));
    let (x, y) = data.batch(&[3, 0], &mut Rng::seed(0)).unwrap();
    assert_eq!((x.shape(), y.to_vec::<i64>().unwrap()), (&[2, 3, 4, 6][..], vec![1, 0]));
    assert!((x.index((0, 1, 2, 3)).unwrap().item().unwrap() - 191.0 / 255.0).abs() < 1e-6);
    assert_eq!(data.subset(&[2]).unwrap().labels(), [1]);
    let gray = ImageDataset::open_folder(root, Channels::Gray).unwrap();
    assert_eq!(gray.picture(1).unwrap().shape(), [1, 4, 6]);

    write_image(root.join("cats/c.png"), &Tensor::zeros([1, 5, 5]).unwrap()).unwrap();
    let data = ImageDataset::open_folder(root, Channels::Rgb).unwrap();
    let e = data.batch(&[0, 1], &mut Rng::seed(0)).unwrap_err();
    assert!(e.message().ends_with("has shape [3, 5, 5], the first of its batch [3, 4, 6]"), "{e}");
    assert_eq!(e.help(), Some("bring all to one size: resize, or crop"));
    fs::create_dir_all(root.join("birds")).unwrap();
    let e = message(ImageDataset::open_folder(root, Channels::Rgb), root);
    assert_eq!(e, "open_folder: birds: no pictures of this class");
    assert_eq!(ImageDataset::open_folder(root.join("none"), Channels::Rgb).unwrap_err().kind(), ErrorKind::Io);
}

#[cfg(feature = "image")]
#[test]
fn pictures_that_are_truncated_or_lie() {
    let folder = folder();
    let root = folder.path();
    let path = root.join("picture.png");
    let x = picture(3, 9, 7);
    write_image(&path, &x).unwrap();
    let whole = fs::read(&path).unwrap();
    let back = read_image(&path, Channels::Rgb).unwrap();
    assert!(back.sub(&x).unwrap().abs().max().unwrap().item().unwrap() < 0.5 / 255.0 + 1e-6);
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        read_image(&path, Channels::Rgb)
    };
    for cut in 0..whole.len() {
        // What comes last says only that it is the end.
        assert!(read(&whole[..cut]).is_err() || cut + 12 >= whole.len(), "{cut} of {} bytes", whole.len());
    }
    assert_eq!(message(read(&whole[..60]), root), "read_image: picture.png: the picture is broken or truncated");
    assert_eq!(message(read(b"text"), root), "read_image: picture.png: neither a PNG nor a JPEG file");
    // A header that promises more than there is memory for, with a checksum that is right.
    let mut lying = whole.clone();
    lying[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let crc = lying[12..29].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    lying[29..33].copy_from_slice(&(!crc).to_be_bytes());
    assert_eq!(
        message(read(&lying), root),
        "read_image: picture.png: a picture of 65536 by 65536 pixels, at most 268435456 are read"
    );
    assert_eq!(read_image(root.join("none.png"), Channels::Rgb).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(
        message(write_image(&path, &Tensor::full([3, 3], 255.0).unwrap()), root),
        "write_image: the picture has the value 255, expected numbers from 0 to 1"
    );
    write_image(&path, &Tensor::full([3, 3], 1.25).unwrap()).unwrap();
    assert_eq!(
        message(write_image(&path, &Tensor::zeros([2, 3, 3]).unwrap()), root),
        "write_image: a picture of shape [2, 3, 3] and type f32, expected [1 or 3, height, width] of f32"
    );
}

/// What is no number has no tone: it stays, and the others are brought to tones as without it.
#[test]
fn equalizing_leaves_alone_what_is_no_number() -> Result<()> {
    let mut numbers: Vec<f32> = (0..600).map(|i| i as f32 * 1e-3).collect();
    let equalized = |numbers: &[f32]| {
        let picture = Tensor::from_slice(numbers, [1, 1, numbers.len()])?;
        Transforms::new().random_equalize(1.0).apply(&picture, &mut Rng::seed(0))?.to_vec::<f32>()
    };
    let before = equalized(&numbers)?;
    numbers.insert(10, f32::NAN);
    numbers.push(f32::NAN);
    let found = equalized(&numbers)?;
    assert!(found[10].is_nan() && found[601].is_nan());
    let others: Vec<f32> = found.into_iter().filter(|x| !x.is_nan()).collect();
    assert_eq!(others, before);
    assert!(equalized(&[f32::NAN; 7])?.iter().all(|x| x.is_nan()));
    Ok(())
}

/// A file in, a class out: what was learnt from a folder, in another program.
#[cfg(feature = "image")]
#[test]
fn a_pipeline_of_pictures() -> Result<()> {
    use demotic::models::{ConvNet, ConvNetConfig};
    use demotic::pipeline::{ImageInput, ImagePipeline};
    use demotic::prelude::*;

    let folder = folder();
    let root = folder.path().join("pictures");
    // Lines across, and lines down, of several sizes.
    let mut rng = Rng::seed(4);
    for (class, dim) in [("across", 1), ("down", 2)] {
        fs::create_dir_all(root.join(class)).unwrap();
        for i in 0..12 {
            let (side, wave) = (18 + i, Tensor::arange(18 + i)?.to_dtype(DType::F32).mul_scalar(0.9).sin());
            let shape = if dim == 1 { [1, side, 1] } else { [1, 1, side] };
            let lines = wave.mul_scalar(0.4).add_scalar(0.5).reshape(shape)?.broadcast_to([3, side, side])?;
            write_image(root.join(class).join(format!("{i}.png")), &lines.contiguous())?;
        }
    }
    let input = ImageInput::new(3, [16, 16]).normalize(&[0.5], &[0.25]);
    let data = ImageDataset::open_folder(&root, Channels::Rgb)?.transform(input.transforms());
    let mut model = ConvNet::new(ConvNetConfig::new(3, 2).channels(&[8]).depth(1), &mut rng)?;
    Trainer::new(losses::cross_entropy, Adam::new(0.02)).epochs(15).batch_size(8).fit(&mut model, &data, &mut rng)?;

    let pipeline = ImagePipeline::new(input.clone(), data.classes(), model.clone())?;
    let path = folder.path().join("lines.safetensors");
    pipeline.save(&path)?;
    for opened in [ImagePipeline::open(&path)?, ImagePipeline::open_as::<ConvNet>(&path)?] {
        assert_eq!((opened.classes(), opened.input()), (data.classes(), &input));
        for class in data.classes() {
            let file = root.join(class).join("3.png");
            let found = opened.predict(&file)?;
            assert!(found.class() == class && found.probability() > 0.8, "{found}");
            // The same of pictures in memory, as numbers and as bytes, one and several.
            let picture = read_image(&file, Channels::Rgb)?;
            assert_eq!(opened.classify(&picture)?, std::slice::from_ref(&found));
            let bytes = picture.mul_scalar(255.0).round().to_dtype(DType::U8);
            let both = opened.classify(&Tensor::stack(&[&bytes, &bytes], 0)?)?;
            assert!(both.len() == 2 && both[0] == both[1] && both[0].class() == class);
            assert!((both[0].probability() - found.probability()).abs() < 1e-5);
        }
    }
    assert_eq!(pipeline.classify(&Tensor::zeros([0, 3, 5, 5])?)?, []);

    let says = |result: Result<ImagePipeline>| message(result, folder.path());
    let made = |input: ImageInput, names: &[&str]| says(ImagePipeline::new(input, names, model.clone()));
    let two = ["a", "b"];
    assert_eq!(
        made(ImageInput::new(2, [16, 16]), &two),
        "ImagePipeline::new: pictures with 2 channels, expected 1 or 3"
    );
    assert_eq!(
        made(ImageInput::new(3, [0, 16]), &two),
        "ImagePipeline::new: pictures of [0, 16] cut from None, expected sides of 1 to 16384"
    );
    assert_eq!(
        made(input.clone().normalize(&[0.5], &[0.0]), &two),
        "ImagePipeline::new: a mean of [0.5] and a deviation of [0.0], expected a number for each channel"
    );
    assert!(made(input.clone().normalize(&[0.5; 2], &[1.0]), &two).contains("expected a number for each channel"));
    assert!(made(input.clone().crop_from(usize::MAX), &two).contains("expected sides of 1 to 16384"));
    assert_eq!(made(input.clone(), &two[..1]), "ImagePipeline::new: 1 names of classes, expected at least 2");
    assert_eq!(
        made(input.clone(), &["a", "b", "c"]),
        "ImagePipeline::new: the model gives [1, 2], expected [n, 3]: a logit for each class"
    );
    let sure = sequential![model.clone(), Softmax::new(-1)];
    let e = ImagePipeline::new(input.clone(), &two, sure).unwrap_err();
    assert_eq!(e.message(), "ImagePipeline::new: the model ends in a softmax, expected logits");
    assert!(made(ImageInput::new(1, [16, 16]), &two).contains("expected [batch, 3, height, width]"));
    let e = pipeline.classify(&Tensor::zeros([1, 9, 9])?).unwrap_err();
    assert_eq!(e.message(), "classify: pictures of shape [1, 1, 9, 9], expected [n, 3, height, width]");
    model.save(&path)?;
    assert_eq!(says(ImagePipeline::open(&path)), "open: lines.safetensors: holds a model, but nothing about pictures");
    pipeline.save(&path)?;
    let e = ConvNet::open(&path).unwrap_err();
    assert!(e.message().ends_with("without which its numbers mean something else"), "{e}");
    assert!(e.help().unwrap().starts_with("ImagePipeline::open(path) opens all of it"), "{e}");
    for settings in ["{", "{\"input\":{},\"classes\":[]}", "null"] {
        let mut metadata = demotic::io::Metadata::new();
        metadata.insert("demotic.images", settings);
        model.save_with(&metadata, &path)?;
        assert_eq!(says(ImagePipeline::open(&path)), "open: lines.safetensors: has malformed settings of pictures");
    }
    let huge = r#"{"input":{"channels":3,"size":[9,99999],"crop_from":null,"mean":[],"std":[]},"classes":["a","b"]}"#;
    let mut metadata = demotic::io::Metadata::new();
    metadata.insert("demotic.images", huge);
    model.save_with(&metadata, &path)?;
    assert!(says(ImagePipeline::open(&path)).contains("pictures of [9, 99999] cut from None"));
    Ok(())
}
