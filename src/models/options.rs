//! The options that the configurations of several models have.

/// Methods of a configuration, in an `impl` block: `options! { heads, dropout }`. Each sets the field of its name, unless it
/// says otherwise here.
macro_rules! options {
    ($first:ident, $($rest:ident),+) => {
        $crate::models::options::options!($first);
        $crate::models::options::options!($($rest),+);
    };
    (layers) => {
        /// Another number of layers.
        #[must_use]
        pub fn layers(mut self, num_layers: usize) -> Self {
            self.num_layers = num_layers;
            self
        }
    };
    (heads) => {
        /// Another number of attention heads.
        #[must_use]
        pub fn heads(mut self, num_heads: usize) -> Self {
            self.num_heads = num_heads;
            self
        }
    };
    // The `hidden_size` of transformers.
    (width) => {
        /// Another width; the inner size becomes four times as large.
        #[must_use]
        pub fn hidden_size(mut self, hidden_size: usize) -> Self {
            self.hidden_size = hidden_size;
            self.intermediate_size = hidden_size.saturating_mul(4);
            self
        }
    };
    (intermediate_size) => {
        /// Another inner size of the feed-forward parts.
        #[must_use]
        pub fn intermediate_size(mut self, intermediate_size: usize) -> Self {
            self.intermediate_size = intermediate_size;
            self
        }
    };
    // The `hidden_size` of recurrent models.
    (hidden_units) => {
        /// Another number of hidden units.
        #[must_use]
        pub fn hidden_size(mut self, hidden_size: usize) -> Self {
            self.hidden_size = hidden_size;
            self
        }
    };
    (embedding_size) => {
        /// Another size of token vectors.
        #[must_use]
        pub fn embedding_size(mut self, embedding_size: usize) -> Self {
            self.embedding_size = embedding_size;
            self
        }
    };
    (dropout) => {
        /// Another dropout probability.
        #[must_use]
        pub fn dropout(mut self, p: f64) -> Self {
            self.dropout = p;
            self
        }
    };
    (in_channels) => {
        /// Pictures with another number of channels.
        #[must_use]
        pub fn in_channels(mut self, channels: usize) -> Self {
            self.in_channels = channels;
            self
        }
    };
    (classes) => {
        /// Another number of outputs.
        #[must_use]
        pub fn classes(mut self, classes: usize) -> Self {
            self.num_classes = classes;
            self
        }
    };
    // The `width` of models whose channels are multiplied.
    (width_factor) => {
        /// Another factor of all channels.
        #[must_use]
        pub fn width(mut self, factor: f64) -> Self {
            self.width = factor;
            self
        }
    };
    (stochastic_depth) => {
        /// Another probability that the last block is skipped.
        #[must_use]
        pub fn stochastic_depth(mut self, p: f64) -> Self {
            self.stochastic_depth = p;
            self
        }
    };
    (untied) => {
        /// An output layer with weights of its own.
        #[must_use]
        pub fn untied(mut self) -> Self {
            self.tied = false;
            self
        }
    };
    // What the configuration says of layers made by `TransformerOptions`.
    (layer_options) => {
        /// Another function inside of the feed-forward parts.
        #[must_use]
        pub fn activation(mut self, activation: $crate::layers::TransformerActivation) -> Self {
            self.activation = activation;
            self
        }

        /// Normalises behind each part of a layer, as in the first transformers.
        #[must_use]
        pub fn norm_last(mut self) -> Self {
            self.norm_first = false;
            self
        }

        /// Other positions.
        #[must_use]
        pub fn positions(mut self, kind: $crate::models::PositionKind) -> Self {
            self.positions = kind;
            self
        }

        /// The options of all layers.
        pub(super) fn layer_options(&self) -> $crate::layers::TransformerOptions {
            let options = $crate::layers::TransformerOptions::new(self.hidden_size, self.num_heads)
                .feedforward(self.intermediate_size)
                .dropout(self.dropout)
                .activation(self.activation);
            if self.norm_first { options.norm_first() } else { options }
        }
    };
}
pub(super) use options;

/// The [`Architecture`](crate::layers::Architecture) of a model that has its `config`.
macro_rules! architecture {
    ($Model:ident, $Config:ident) => {
        impl $crate::layers::Architecture for $Model {
            const KIND: &'static str = stringify!($Model);
            type Config = $Config;

            #[track_caller]
            fn config(&self) -> $crate::Result<$Config> {
                Ok(self.config.clone())
            }

            #[track_caller]
            fn from_config(config: $Config, rng: &mut $crate::Rng) -> $crate::Result<Self> {
                Self::new(config, rng)
            }

            fn min_parameters(config: &$Config) -> usize {
                config.num_parameters()
            }
        }
    };
}
pub(super) use architecture;
