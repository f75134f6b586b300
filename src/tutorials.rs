//! Tutorials, to be read in their order. Every program in them is compiled and run by the tests.
//!
//! 1. [Tensors](t01_tensors)
//! 2. [Gradients](t02_gradients)
//! 3. [A first model by hand](t03_first_model)
//! 4. [Layers and the Trainer](t04_layers_and_trainer)
//! 5. [House prices: why training diverges, and what to do](t05_house_prices)
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

    pages! {
        t01_tensors = "zh/01_tensors.md";
        t02_gradients = "zh/02_gradients.md";
        t03_first_model = "zh/03_first_model.md";
        t04_layers_and_trainer = "zh/04_layers_and_trainer.md";
        t05_house_prices = "zh/05_house_prices.md";
    }
}
