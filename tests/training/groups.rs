//! What the ranks of a group do together, compared with what one would do by hand.

use std::time::Duration;

use demotic::distributed::{Group, Message, OneProcess, Tag, ThreadGroup, part};
use demotic::{DType, Error, ErrorKind, Result, Rng, Tensor, tensor};

const TYPES: [DType; 9] =
    [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool];

/// Another tensor for each rank, with numbers that sums round in one way or another.
fn own(rank: usize, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let mut rng = Rng::seed(rank as u64);
    let x = Tensor::normal(shape, 0.0, 20.0, &mut rng)?;
    Ok(if dtype.is_float() { x.to_dtype(dtype) } else { x.abs().to_dtype(DType::I64).to_dtype(dtype) })
}

fn bytes(x: &Tensor) -> Vec<u8> {
    Message { about: String::new(), tensor: x.clone() }.to_bytes()
}

/// The sum in the order of ranks, element by element.
fn by_hand(ranks: usize, shape: &[usize], dtype: DType) -> Result<Tensor> {
    let values: Vec<Tensor> = (0..ranks).map(|rank| own(rank, shape, dtype)).collect::<Result<_>>()?;
    Ok(match dtype {
        DType::F64 => {
            let mut sum = values[0].to_vec::<f64>()?;
            for value in &values[1..] {
                sum.iter_mut().zip(value.to_vec::<f64>()?).for_each(|(sum, x)| *sum += x);
            }
            Tensor::from_vec(sum, shape)?
        }
        DType::F32 | DType::F16 | DType::BF16 => {
            let mut sum = values[0].to_dtype(DType::F32).to_vec::<f32>()?;
            for value in &values[1..] {
                sum.iter_mut().zip(value.to_dtype(DType::F32).to_vec::<f32>()?).for_each(|(sum, x)| *sum += x);
            }
            Tensor::from_vec(sum, shape)?.to_dtype(dtype)
        }
        _ => {
            let mut sum = values[0].to_dtype(DType::I64).to_vec::<i64>()?;
            for value in &values[1..] {
                sum.iter_mut().zip(value.to_dtype(DType::I64).to_vec::<i64>()?).for_each(|(sum, x)| *sum += x);
            }
            Tensor::from_vec(sum, shape)?.to_dtype(dtype)
        }
    })
}

#[test]
fn collectives_do_what_one_would_do_by_hand() -> Result<()> {
    // Nothing, one element, some rows that no number of ranks divides, and more than one message holds.
    let shapes: [&[usize]; 5] = [&[0], &[1], &[5, 3], &[7, 0], &[1031, 3]];
    for ranks in 1..=4 {
        let done = ThreadGroup::run(ranks, |group| {
            let mut seen = Vec::new();
            for dtype in TYPES {
                for shape in shapes {
                    let x = own(group.rank(), shape, dtype)?;
                    let sum = group.start_all_reduce(&x)?;
                    let rows = group.start_reduce_scatter(&x)?;
                    let all = group.start_all_gather(&x)?;
                    let root = shape.len() % ranks;
                    let one = group.start_broadcast(&x, root)?;
                    group.barrier()?;
                    seen.push((dtype, shape, root, sum.wait()?, rows.wait()?, all.wait()?, one.wait()?));
                }
            }
            Ok(seen)
        })?;
        for (rank, seen) in done.into_iter().enumerate() {
            for (dtype, shape, root, sum, rows, all, one) in seen {
                let place = format!("rank {rank} of {ranks}, {dtype} {shape:?}");
                let expected = by_hand(ranks, shape, dtype)?;
                assert_eq!(bytes(&sum), bytes(&expected), "all_reduce, {place}");
                let part = part(shape[0], ranks, rank);
                assert_eq!(
                    bytes(&rows),
                    bytes(&expected.narrow(0, part.start, part.len())?),
                    "reduce_scatter, {place}"
                );
                assert_eq!(bytes(&one), bytes(&own(root, shape, dtype)?), "broadcast, {place}");
                assert_eq!(all.len(), ranks, "all_gather, {place}");
                for (other, x) in all.iter().enumerate() {
                    assert_eq!(bytes(x), bytes(&own(other, shape, dtype)?), "all_gather, {place}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn parts_make_up_the_whole() {
    for n in [0, 1, 2, 7, 8, 1000] {
        for size in 1..9 {
            let parts: Vec<_> = (0..size).map(|rank| part(n, size, rank)).collect();
            assert_eq!(parts.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
            assert!(parts.iter().all(|part| part.len() == n / size || part.len() == n / size + 1));
        }
    }
    assert_eq!((part(5, 0, 0), part(5, 2, 9)), (0..5, 5..5));
}

#[test]
fn messages_keep_their_order_and_may_be_of_any_kind() -> Result<()> {
    let received = ThreadGroup::run(3, |group| {
        let (rank, next) = (group.rank(), (group.rank() + 1) % 3);
        // Asked for before it was sent.
        let late = group.start_receive((rank + 2) % 3, 9)?;
        for i in 0..3 {
            group.send(&Tensor::full([i + 1], rank as f64)?, next, 4)?;
        }
        group.start_send(&Tensor::full_dtype([2, 2], 7.0, DType::I32)?, next, 9)?.wait()?;
        let from = (rank + 2) % 3;
        let lengths: Vec<_> = (0..3).map(|_| group.receive(from, 4)).collect::<Result<_>>()?;
        assert!(lengths.iter().enumerate().all(|(i, x)| x.shape() == [i + 1]));
        assert_eq!(lengths[2].to_vec::<f32>()?, [from as f32; 3]);
        let mut late = late;
        while !late.poll()? {
            std::thread::yield_now();
        }
        late.wait()
    })?;
    assert!(received.iter().all(|x| x.dtype() == DType::I32 && x.shape() == [2, 2]));
    // To oneself as well.
    let alone = OneProcess::new().handle();
    alone.send(&tensor![5.0], 0, 1)?;
    assert_eq!(alone.receive(0, 1)?.item()?, 5.0);
    Ok(())
}

#[test]
fn groups_part_into_grids() -> Result<()> {
    let done = ThreadGroup::run(6, |group| {
        let rank = group.rank();
        let row = group.split(rank / 3, rank)?;
        // In reverse order.
        let column = group.split(rank % 3, 6 - rank)?;
        let pair = row.split(usize::from(row.rank() == 2), 0)?;
        let own = tensor![rank as f64];
        let sums = [row.all_reduce(&own)?.item()?, column.all_reduce(&own)?.item()?, pair.all_reduce(&own)?.item()?];
        let order: Vec<f64> = column.all_gather(&own)?.iter().map(Tensor::item).collect::<Result<_>>()?;
        assert_eq!(column.origin(0), rank % 3 + 3);
        Ok((row.rank(), column.rank(), pair.size(), sums, order))
    })?;
    assert_eq!(done[0], (0, 1, 2, [3.0, 3.0, 1.0], vec![3.0, 0.0]));
    assert_eq!(done[5], (2, 0, 1, [12.0, 7.0, 5.0], vec![5.0, 2.0]));
    Ok(())
}

#[test]
fn bytes_of_messages_come_back_as_they_were() -> Result<()> {
    for dtype in TYPES {
        for shape in [&[][..], &[0], &[2, 3]] {
            let message = Message { about: format!("a sum of {dtype}"), tensor: own(1, shape, dtype)?.detach() };
            let sent = message.to_bytes();
            let again = Message::from_bytes(&sent)?;
            assert_eq!((again.about.as_str(), again.tensor.shape()), (message.about.as_str(), shape));
            assert_eq!(again.to_bytes(), sent);
            // Whatever is cut off or added is no message.
            for length in 0..sent.len() {
                assert_eq!(Message::from_bytes(&sent[..length]).unwrap_err().kind(), ErrorKind::Format);
            }
            assert!(Message::from_bytes(&[&sent[..], &[0]].concat()).is_err());
        }
    }
    let mut lying = Message { about: String::new(), tensor: tensor![1.0] }.to_bytes();
    lying[6..14].fill(0xff);
    let message = Message::from_bytes(&lying).unwrap_err().message();
    assert_eq!(message, "receive: a tensor of shape [18446744073709551615] and type f32 does not fit into memory");
    Ok(())
}

/// What every rank got.
fn each(ranks: usize, f: impl Fn(&dyn Group) -> Result<()> + Sync) -> Vec<String> {
    let timeout = Duration::from_secs(5);
    let told = ThreadGroup::run_with(ranks, timeout, |group| {
        let done = f(group);
        // The others are told as by an error that ends the program.
        if let Err(e) = &done {
            group.fail(&e.message());
        }
        Ok(done.map_or_else(|e| e.message(), |()| "done".to_string()))
    });
    told.unwrap()
}

#[test]
fn who_does_something_else_is_named_to_all() {
    let told = each(3, |group| match group.rank() {
        1 => group.all_reduce(&Tensor::ones([2])?).map(drop),
        _ => group.all_reduce(&Tensor::ones([3])?).map(drop),
    });
    let expected = "rank 1 is at all_reduce of f32 [2], rank 0 is at all_reduce of f32 [3]";
    let mirrored = "rank 0 is at all_reduce of f32 [3], rank 1 is at all_reduce of f32 [2]";
    let last = "rank 1 is at all_reduce of f32 [2], rank 2 is at all_reduce of f32 [3]";
    for told in &told {
        let told = told.replace(", rank 0 at ", ", rank 0 is at ").replace(", rank 1 at ", ", rank 1 is at ");
        let told = told.replace(", rank 2 at ", ", rank 2 is at ");
        assert!([expected, mirrored, last].iter().any(|text| told.contains(text)), "{told}");
    }
    let told = each(2, |group| match group.rank() {
        0 => group.all_reduce(&Tensor::ones([2])?.to_dtype(DType::F64)).map(drop),
        _ => group.barrier(),
    });
    assert!(told.iter().all(|told| told.contains("barrier") && told.contains("all_reduce of f64 [2]")), "{told:?}");
}

#[test]
fn who_fails_or_is_missing_is_named_to_all() {
    // Also if one who was told tells it on before it is told to all.
    for _ in 0..300 {
        let told = each(3, |group| match group.rank() {
            2 => Err(Error::state("read", "the shard is empty")),
            _ => group.barrier(),
        });
        assert_eq!(told[2], "read: the shard is empty");
        assert_eq!(told[0], "receive: rank 2 has given up: read: the shard is empty");
        assert_eq!(told[1], told[0]);
    }
    let begun = std::time::Instant::now();
    let told = ThreadGroup::run_with(2, Duration::from_millis(50), |group| match group.rank() {
        0 => group.receive(1, 0).map(drop),
        _ => {
            std::thread::sleep(Duration::from_millis(300));
            Ok(())
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(told.unwrap_err().message(), "receive: no message from rank 1 within 50ms");
    let e = ThreadGroup::run(2, |group| match group.rank() {
        0 => group.receive(1, 0).map(drop),
        _ => Ok(()),
    });
    let e = e.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Peer);
    assert_eq!(e.message(), "receive: rank 1 has ended, and has sent no such message before");
    let panicked = std::panic::catch_unwind(|| {
        ThreadGroup::run(2, |group| match group.rank() {
            0 => group.barrier(),
            _ => panic!("on purpose"),
        })
    });
    assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
}

#[test]
fn impossible_groups_and_ranks_are_refused() {
    for ranks in [0, 257] {
        let e = ThreadGroup::run(ranks, |_| Ok(())).unwrap_err();
        assert_eq!(e.message(), format!("ThreadGroup: a group of {ranks} threads, expected 1 to 256"));
    }
    let group = OneProcess::new().handle();
    let e = group.send(&tensor![1.0], 1, 0).unwrap_err();
    assert_eq!(e.message(), "send: rank 1 of a group of 1, counted from 0");
    assert!(e.location().file().ends_with("groups.rs"));
    assert_eq!(group.receive(1, 0).unwrap_err().message(), "receive: rank 1 of a group of 1, counted from 0");
    assert_eq!(
        group.broadcast(&tensor![1.0], 3).unwrap_err().message(),
        "broadcast: rank 3 of a group of 1, counted from 0"
    );
    let e = group.reduce_scatter(&Tensor::scalar(1.0)).unwrap_err();
    assert_eq!(e.message(), "reduce_scatter: a single number has no rows that could be divided");
    let tag = Tag { group: 0, number: 0 };
    assert!(group.post(0, tag, Message { about: String::new(), tensor: tensor![1.0] }).is_ok());
}
