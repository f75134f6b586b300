//! The recurrent language model: stepping, padding, reordering, learning, files, summaries, errors.

use demotic::models::{CausalLm, LmState, RecurrentCell, RecurrentLm, RecurrentLmConfig};
use demotic::prelude::*;

const CELLS: [RecurrentCell; 3] = [RecurrentCell::Rnn, RecurrentCell::Lstm, RecurrentCell::Gru];

fn small(cell: RecurrentCell) -> Result<RecurrentLm> {
    let config = RecurrentLmConfig::new(7).cell(cell).embedding_size(4).hidden_size(6).layers(2).dropout(0.5);
    RecurrentLm::new(config, &mut Rng::seed(0))
}

fn ids() -> Result<Tensor> {
    Tensor::from_nested([[1i64, 5, 2, 6, 3], [4, 4, 0, 1, 2], [6, 0, 5, 5, 1]])
}

#[track_caller]
fn assert_near(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    let distance = a.sub(b).unwrap().abs().max().unwrap().item().unwrap();
    assert!(distance < 1e-5, "{distance}");
}

#[test]
fn steps_give_the_logits_of_the_whole_sequence() -> Result<()> {
    for cell in CELLS {
        let (model, ids) = (small(cell)?, ids()?);
        let whole = model.predict(&ids)?;
        let mut state = model.start(&[0; 3])?;
        assert!(state.is_empty() && state.rows() == 3);
        for (at, n) in [(0, 1), (1, 1), (2, 3)] {
            let logits = model.extend(&ids.narrow(1, at, n)?, &mut state)?;
            assert_near(&logits, &whole.narrow(1, at, n)?);
        }
        assert_eq!(state.len(), 5);
        let mut state = model.start(&[0; 3])?;
        assert_near(&model.extend_last(&ids, &mut state)?, &whole.select(1, -1)?);
    }
    Ok(())
}

#[test]
fn padded_rows_get_the_logits_that_they_would_get_alone() -> Result<()> {
    for cell in CELLS {
        let (model, ids) = (small(cell)?, ids()?);
        let padding = [0, 3, 2];
        // All at once, and in parts of which one holds nothing but padding of a row.
        for parts in [vec![5], vec![2, 2, 1], vec![1, 4]] {
            let mut state = model.start(&padding)?;
            let (mut logits, mut at) = (Vec::new(), 0);
            for n in parts {
                logits.push(model.extend(&ids.narrow(1, at, n)?, &mut state)?);
                at += n;
            }
            let logits = Tensor::cat(&logits.iter().collect::<Vec<_>>(), 1)?;
            assert!(logits.to_vec::<f32>()?.iter().all(|x| x.is_finite()));
            for (row, padding) in padding.into_iter().enumerate() {
                let alone = model.predict(&ids.index((row..row + 1, padding..))?)?;
                assert_near(&logits.index((row..row + 1, padding..))?, &alone);
            }
        }
    }
    Ok(())
}

#[test]
fn rows_of_a_state_can_be_reordered() -> Result<()> {
    let (model, ids) = (small(RecurrentCell::Lstm)?, ids()?);
    let mut state = model.start(&[0, 1, 4])?;
    model.extend(&ids.narrow(1, 0, 3)?, &mut state)?;
    let before = state.clone();
    let e = state.reorder(&[0, 3]).unwrap_err();
    assert_eq!(e.message(), "reorder: there is no row 3, the state has 3");
    state.reorder(&[2, 2, 0, 1])?;
    assert_eq!((state.rows(), state.len()), (4, 3));
    let rows = Tensor::from_nested([2i64, 2, 0, 1])?;
    let next = ids.narrow(1, 3, 2)?;
    let expected = model.extend(&next, &mut before.clone())?.index_select(0, &rows)?;
    assert_near(&model.extend(&next.index_select(0, &rows)?, &mut state)?, &expected);
    model.restart(&mut state, &[0; 4])?;
    assert!(state.is_empty());
    Ok(())
}

#[test]
fn a_long_text_is_learnt_piece_by_piece() -> Result<()> {
    let mut rng = Rng::seed(1);
    let config = RecurrentLmConfig::new(4).embedding_size(16).hidden_size(16).cell(RecurrentCell::Gru).tied();
    let mut model = RecurrentLm::new(config, &mut rng)?;
    let mut opt = Adam::new(0.02);
    // What comes after 1 depends on what came before it.
    let text: Vec<i64> = [0, 1, 2, 3, 1, 0].into_iter().cycle().take(241).collect();
    let text = Tensor::from_vec(text, [1, 241])?;
    let mut last = f64::NAN;
    for _epoch in 0..12 {
        let mut state: Option<RecurrentState> = None;
        for at in (0..240).step_by(20) {
            let mut options = RunOptions::new();
            options.state = state.as_ref();
            let (logits, next) = model.run(&text.narrow(1, at, 20)?, options, &mut Mode::train(&mut rng))?;
            let target = text.narrow(1, at + 1, 20)?.reshape([20])?;
            let loss = losses::cross_entropy(&logits.reshape([20, 4])?, &target)?;
            last = loss.item()?;
            opt.step(&mut model, &loss.backward()?)?;
            state = Some(RecurrentState { hidden: next.hidden.detach(), cell: None });
        }
    }
    assert!(last < 0.1, "{last}");
    Ok(())
}

#[test]
fn a_config_says_what_a_file_holds() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lm.safetensors");
    for cell in CELLS {
        let model = small(cell)?;
        model.save(&path)?;
        let text = serde_json::to_string(model.config()).unwrap();
        let config: RecurrentLmConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(&config, model.config());
        assert_eq!(config.num_parameters(), model.num_parameters());
        let mut other = RecurrentLm::new(config, &mut Rng::seed(9))?;
        other.load(&path)?;
        assert_eq!(other.predict(&ids()?)?.to_vec::<f32>()?, model.predict(&ids()?)?.to_vec::<f32>()?);
    }
    assert_eq!(serde_json::to_value(RecurrentCell::Lstm).unwrap(), "lstm");
    assert!(serde_json::from_str::<RecurrentLmConfig>("{\"cells\": 3}").is_err());
    let tied = RecurrentLmConfig::new(7).embedding_size(6).hidden_size(6).tied();
    let parameters = tied.num_parameters();
    assert_eq!(RecurrentLm::new(tied, &mut Rng::seed(0))?.num_parameters(), parameters);
    Ok(())
}

#[test]
fn a_summary_has_a_row_for_each_part() -> Result<()> {
    let summary = small(RecurrentCell::Lstm)?.summary([2, 5])?;
    let rows: Vec<_> =
        summary.rows().iter().map(|row| (row.path.as_str(), row.kind.as_str(), row.output.clone())).collect();
    let expected = [
        ("embedding", "Embedding", Some(vec![2, 5, 4])),
        ("rnn", "Lstm", Some(vec![2, 5, 6])),
        ("head", "Head", Some(vec![2, 5, 7])),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn what_makes_no_sense_is_an_error() -> Result<()> {
    let message = |config: RecurrentLmConfig| RecurrentLm::new(config, &mut Rng::seed(0)).unwrap_err().message();
    let config = RecurrentLmConfig::new(7).embedding_size(4).hidden_size(6);
    assert_eq!(message(config.clone().layers(0)), "RecurrentLm::new: num_layers is 0, expected at least 1");
    assert_eq!(
        message(config.clone().tied()),
        "RecurrentLm::new: a tied output layer, but embedding_size is 4 and hidden_size is 6"
    );
    assert_eq!(
        message(config.clone().dropout(-0.5)),
        "RecurrentLm::new: dropout is -0.5, expected a probability from 0 to 1"
    );
    let huge = config.hidden_size(usize::MAX);
    assert_eq!(message(huge), "RecurrentLm::new: a model of these sizes does not fit into memory");

    let model = small(RecurrentCell::Lstm)?;
    let e = model.predict(&Tensor::from_nested([1i64, 2])?).unwrap_err();
    assert_eq!(e.message(), "recurrent_lm: token ids of shape [2], expected [batch, time]");
    let e = model.predict(&Tensor::from_nested([[7i64]])?).unwrap_err();
    assert_eq!(e.layer(), Some("embedding"));
    assert_eq!(model.start(&[]).unwrap_err().message(), "recurrent_lm: there are no sequences");
    let mut state = model.start(&[0, 0])?;
    let e = model.extend(&ids()?, &mut state).unwrap_err();
    assert_eq!(e.message(), "recurrent_lm: token ids of shape [3, 5] for a state of 2 rows");
    assert!(model.extend(&Tensor::from_nested([[1i64], [9]])?, &mut state).is_err() && state.is_empty());
    Ok(())
}
