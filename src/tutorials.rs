//! Tutorials, to be read in their order. Every program in them is compiled and run by the tests.
//!
//! 1. [Tensors](t01_tensors)
//! 2. [Gradients](t02_gradients)
//! 3. [A first model by hand](t03_first_model)
//! 4. [Layers and the Trainer](t04_layers_and_trainer)
//! 5. [House prices: why training diverges, and what to do](t05_house_prices)
//! 6. [Text into numbers](t06_text_into_numbers)
//! 7. [A recurrent language model](t07_recurrent_language_model)
//! 8. [Attention and the transformer, by hand](t08_attention)
//! 9. [A GPT on your own text](t09_train_a_gpt)
//! 10. [Sampling: how a model writes](t10_sampling)
//!
//! 中文版在 [`zh`]。

macro_rules! pages {
    ($($name:ident = $file:literal;)*) => {$(
        pub mod $name {
            #![doc = include_str!(concat!("../docs/", $file))]
        }
    )*};
}

pages! {
    t01_tensors = "tutorials/01_tensors.md";
    t02_gradients = "tutorials/02_gradients.md";
    t03_first_model = "tutorials/03_first_model.md";
    t04_layers_and_trainer = "tutorials/04_layers_and_trainer.md";
    t05_house_prices = "tutorials/05_house_prices.md";
    t06_text_into_numbers = "tutorials/06_text_into_numbers.md";
    t07_recurrent_language_model = "tutorials/07_recurrent_language_model.md";
    t08_attention = "tutorials/08_attention.md";
    t09_train_a_gpt = "tutorials/09_train_a_gpt.md";
    t10_sampling = "tutorials/10_sampling.md";
}

/// The other pages with programs in them, for the tests to run.
#[cfg(doctest)]
mod guides {
    pages! {
        adding_a_layer = "adding_a_layer.md";
        pytorch_users = "pytorch_users.md";
    }
}

pub mod zh {
    //! 教程，按顺序阅读。其中的每段程序都由测试编译并运行。
    //!
    //! 1. [张量](t01_tensors)
    //! 2. [梯度](t02_gradients)
    //! 3. [亲手写第一个模型](t03_first_model)
    //! 4. [层与 Trainer](t04_layers_and_trainer)
    //! 5. [房价：训练为什么发散，怎么办](t05_house_prices)
    //! 6. [文本怎样变成数](t06_text_into_numbers)
    //! 7. [循环语言模型](t07_recurrent_language_model)
    //! 8. [亲手写注意力与 transformer](t08_attention)
    //! 9. [在自己的文本上训练 GPT](t09_train_a_gpt)
    //! 10. [采样：模型怎样写作](t10_sampling)

    pages! {
        t01_tensors = "zh/01_tensors.md";
        t02_gradients = "zh/02_gradients.md";
        t03_first_model = "zh/03_first_model.md";
        t04_layers_and_trainer = "zh/04_layers_and_trainer.md";
        t05_house_prices = "zh/05_house_prices.md";
        t06_text_into_numbers = "zh/06_text_into_numbers.md";
        t07_recurrent_language_model = "zh/07_recurrent_language_model.md";
        t08_attention = "zh/08_attention.md";
        t09_train_a_gpt = "zh/09_train_a_gpt.md";
        t10_sampling = "zh/10_sampling.md";
    }
}
