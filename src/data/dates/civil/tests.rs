use super::*;

#[test]
fn every_day_of_ten_thousand_years() {
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let mut at = (FIRST as i64) / DAY;
    for year in 0..10_000 {
        for (month, length) in
            [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].iter().enumerate()
        {
            let month = month as i64 + 1;
            assert_eq!(days_of_month(year, month), *length, "{year}-{month}");
            for day in 1..=*length {
                assert_eq!((days(year, month, day), date(at)), (at, (year, month, day)));
                at += 1;
            }
        }
    }
    assert_eq!(at * DAY, BEHIND as i64);
}

#[test]
fn times_before_1970_and_limits() {
    let last = Civil::of(-0.25).unwrap();
    assert_eq!(last, Civil { year: 1969, month: 12, day: 31, hour: 23, minute: 59, second: 59 });
    assert_eq!((last.seconds(), last.weekday(), last.day_of_year()), (Some(-1), 2, 365));
    for none in [FIRST - 1.0, BEHIND, f64::NAN, f64::INFINITY, 1e300] {
        assert_eq!(Civil::of(none), None, "{none}");
    }
    let wrong = |change: fn(&mut Civil)| {
        let mut time = last;
        change(&mut time);
        time.seconds()
    };
    assert_eq!(wrong(|t| t.month = 13), None);
    assert_eq!(wrong(|t| (t.month, t.day) = (2, 29)), None);
    assert_eq!(wrong(|t| t.hour = 24), None);
    assert_eq!(wrong(|t| t.year = i64::MAX), None);
}
