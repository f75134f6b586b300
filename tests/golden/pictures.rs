//! Pictures of several kinds, and what Pillow reads in them.

use std::collections::HashMap;
use std::path::Path;

use demotic::data::{Channels, read_image};

#[test]
fn pictures_of_several_kinds() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pictures"));
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: HashMap<String, Vec<Vec<Vec<u8>>>> = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.len(), 6);
    for (name, planes) in expected {
        let picture = read_image(folder.join(&name), Channels::Rgb).unwrap();
        assert_eq!(picture.shape(), [3, planes[0].len(), planes[0][0].len()], "{name}");
        let wanted = planes.iter().flatten().flatten().map(|level| f64::from(*level));
        let far = picture
            .to_f64_vec()
            .iter()
            .zip(wanted)
            .map(|(got, wanted)| (got * 255.0 - wanted).abs())
            .fold(0.0, f64::max);
        // Two decoders of JPEG may round differently, and then convert colours; PNG is exact.
        let allowed = if name.ends_with(".jpg") { 3.0 } else { 1e-4 };
        assert!(far <= allowed, "{name}: {far}");
        assert_eq!(read_image(folder.join(&name), Channels::Gray).unwrap().shape()[0], 1);
    }
}
