use super::*;

#[test]
fn each_text_has_a_number_of_its_own() {
    let mut builder = TextBuilder::default();
    let words: Vec<String> = (0..10_000).map(|i| format!("{:x}", i % 3000)).collect();
    words.iter().for_each(|word| builder.push(Some(word)));
    builder.push(None);
    builder.push(Some(""));
    let (codes, texts) = builder.finish();
    assert_eq!(texts.len(), 3001);
    for (i, word) in words.iter().enumerate() {
        assert_eq!((codes[i], texts.get(codes[i])), (i % 3000, Some(word.as_str())));
    }
    assert_eq!((texts.get(codes[10_000]), texts.get(codes[10_001])), (None, Some("")));
}
