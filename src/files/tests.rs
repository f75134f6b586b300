use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_made_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    for text in ["first, longer", "second"] {
        write_atomically(&path, |out| out.write_all(text.as_bytes())).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(names(folder.path()), ["a"]);
    }
}

#[test]
fn a_failure_leaves_the_earlier_file_whole_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "earlier").unwrap();
    let e = replace("save", &path, |out| {
        out.write_all(&[0; 1 << 20])?;
        Err(io::ErrorKind::StorageFull.into())
    })
    .unwrap_err();
    assert_eq!(e.kind(), crate::ErrorKind::Io);
    assert_eq!(e.message(), format!("save: {}: no storage space", path.display()));
    let panic = std::panic::catch_unwind(|| replace("save", &path, |_| panic!("while writing")));
    assert!(panic.is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
    assert_eq!(names(folder.path()), ["a"]);
}

#[test]
fn impossible_targets_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &Path| replace("save", path, |out| out.write_all(b"x")).unwrap_err().message();
    let missing = folder.path().join("no").join("a");
    assert_eq!(write(&missing), format!("save: {}: No such file or directory (os error 2)", missing.display()));
    assert_eq!(write(folder.path()), format!("save: {}: is a directory", folder.path().display()));
    write(Path::new(""));
    write(Path::new("/"));
    let read_only = folder.path().join("read-only");
    fs::write(&read_only, "earlier").unwrap();
    let mut permissions = fs::metadata(&read_only).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&read_only, permissions).unwrap();
    assert_eq!(write(&read_only), format!("save: {}: permission denied", read_only.display()));
    assert_eq!(fs::read_to_string(&read_only).unwrap(), "earlier");
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay_and_devices_are_not_replaced() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    fs::write(&file, "earlier").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();
    write_atomically(&link, |out| out.write_all(b"new")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);

    write_atomically("/dev/null", |out| out.write_all(b"gone")).unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn a_name_of_the_greatest_length_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n".repeat(255));
    write_atomically(&path, |out| out.write_all(b"x")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"x");
}
