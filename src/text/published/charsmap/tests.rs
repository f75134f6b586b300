use super::*;

#[test]
fn base64_is_that_of_the_standard() {
    for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
        assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()));
        assert_eq!(encode(bytes.as_bytes()), text);
    }
    assert_eq!(decode("+/+/"), Some(vec![0xFB, 0xFF, 0xBF]));
    assert_eq!([decode("Zg"), decode("Z==="), decode("Zm9\u{e9}"), decode("Zm 8")], [None, None, None, None]);
}
