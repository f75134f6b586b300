use super::*;

#[test]
fn the_machine_says_how_much_it_has() {
    assert_eq!(total_of("MemTotal:       24684084 kB\nMemFree:        1 kB\n"), Some(24_684_084 * 1024));
    for strange in ["", "MemTotal:", "MemTotal: many kB", "MemTotal: 5 MB", "MemTotal: 99999999999999999999 kB"] {
        assert_eq!(total_of(strange), None, "{strange:?}");
    }
    let limits = "Max cpu time        unlimited  unlimited  seconds\nMax data size       unlimited  unlimited  bytes\n\
                  Max address space   4096000000 unlimited  bytes\n";
    assert_eq!(limit_of(limits), Some(4_096_000_000));
    assert_eq!(limit_of(&limits.replace("unlimited", "5000")), Some(5000));
    assert_eq!(limit_of(&limits.replace("4096000000", "unlimited")), None);
    assert!(largest_view() > 1 << 20);
    if cfg!(all(target_os = "linux", not(miri))) {
        assert!(machine_bytes().is_some());
    }
}
