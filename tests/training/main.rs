//! From data to a trained model: tables, texts, preprocessing, metrics, the `Trainer`.

mod callbacks;
mod closure;
mod config;
mod data;
mod images;
mod language_data;
mod loading;
mod markup;
mod metrics;
mod names;
mod observers;
mod optimizers;
mod own_tables;
mod plot;
mod preprocessing;
mod report;
mod resume;
mod series;
mod tables;
mod tasks;
mod text;
mod tokenizer_files;
mod train;
mod trainer_options;
mod tune;
