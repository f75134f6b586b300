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
//! About work of your own:
//!
//! 11. [Your own data](t11_your_own_data)
//! 12. [Classification, and how good it is](t12_classification)
//! 13. [Classes of texts](t13_text_classification)
//! 14. [Choosing losses and optimizers](t14_losses_and_optimizers)
//! 15. [Fighting overfitting](t15_overfitting)
//! 16. [Images and convolution](t16_images)
//! 17. [Generative models: VAE, GAN, diffusion](t17_generative_models)
//! 18. [Your own training loop](t18_your_own_training_loop)
//! 19. [Fine-tuning: pretrained weights, adapters, hooks](t19_fine_tuning)
//! 20. [Finding out why training fails](t20_why_training_fails)
//! 21. [Preparing data](t21_preparing_data)
//! 22. [Evaluation, cross-validation and comparing models](t22_evaluation)
//! 23. [Saving and resuming](t23_saving_and_resuming)
//! 24. [Pictures and reports](t24_pictures_and_reports)
//! 25. [A published model in ten lines](t25_a_published_model)
//! 26. [Quantisation: from the formula to the file](t26_quantisation)
//! 27. [Why did it predict that?](t27_why_did_it_predict_that)
//! 28. [Is it fair?](t28_is_it_fair)
//! 29. [Private training](t29_private_training)
//! 30. [Smaller and faster](t30_smaller_and_faster)
//! 31. [From one process to many](t31_from_one_process_to_many)
//! 32. [Embeddings and search](t32_embeddings_and_search)
//!
//! Those who come from PyTorch find everything [side by side](pytorch_users).
//!
#![cfg_attr(demotic_zh, doc = "中文版在 [`zh`]。")]
#![cfg_attr(not(demotic_zh), doc = "中文版在仓库的 `docs/zh` 里，可以当书读：`mdbook build docs/zh`。")]
//!
//! The same files can be read in the repository (`docs/tutorials`), and as a book: `mdbook build docs/tutorials`.

/// Pages as modules. A page names the others by labels, `[gradients][t02]`, which it defines at its end as the files beside it. Here
/// the modules are defined first, and the first definition counts. Pictures are named in the same way; here they are data URIs, because
/// rustdoc copies no files. Behind the page come the items of the crate that it speaks of.
macro_rules! pages {
    ($reference:literal: $($name:ident = $file:literal $(, $items:literal)? $(, picture $picture:literal)*;)*) => {$(
        pub mod $name {
            #![doc = concat!(
                "[t01]: super::t01_tensors\n",
                "[t02]: super::t02_gradients\n",
                "[t03]: super::t03_first_model\n",
                "[t04]: super::t04_layers_and_trainer\n",
                "[t05]: super::t05_house_prices\n",
                "[t06]: super::t06_text_into_numbers\n",
                "[t07]: super::t07_recurrent_language_model\n",
                "[t08]: super::t08_attention\n",
                "[t09]: super::t09_train_a_gpt\n",
                "[t10]: super::t10_sampling\n",
                "[t11]: super::t11_your_own_data\n",
                "[t12]: super::t12_classification\n",
                "[t13]: super::t13_text_classification\n",
                "[t14]: super::t14_losses_and_optimizers\n",
                "[t15]: super::t15_overfitting\n",
                "[t16]: super::t16_images\n",
                "[t17]: super::t17_generative_models\n",
                "[t18]: super::t18_your_own_training_loop\n",
                "[t19]: super::t19_fine_tuning\n",
                "[t20]: super::t20_why_training_fails\n",
                "[t21]: super::t21_preparing_data\n",
                "[t22]: super::t22_evaluation\n",
                "[t23]: super::t23_saving_and_resuming\n",
                "[t24]: super::t24_pictures_and_reports\n",
                "[t25]: super::t25_a_published_model\n",
                "[t26]: super::t26_quantisation\n",
                "[t27]: super::t27_why_did_it_predict_that\n",
                "[t28]: super::t28_is_it_fair\n",
                "[t29]: super::t29_private_training\n",
                "[t30]: super::t30_smaller_and_faster\n",
                "[t31]: super::t31_from_one_process_to_many\n",
                "[t32]: super::t32_embeddings_and_search\n",
                $("[", $picture, "]: ", include_str!(concat!("../docs/tutorials/images/", $picture, ".uri")), "\n",)*
                include_str!(concat!("../docs/", $file)),
                $("\n\n", $reference, $items,)?
            )]
        }
    )*};
}

pages! {
    "In the reference: ":
    t01_tensors = "tutorials/01_tensors.md",
        "[`Tensor`](crate::Tensor)";
    t02_gradients = "tutorials/02_gradients.md",
        "[`gradcheck`](crate::autograd::gradcheck), [`grad`](crate::autograd::grad)";
    t03_first_model = "tutorials/03_first_model.md",
        "[`Linear`](crate::layers::Linear), [`Adam`](crate::optimizers::Adam)", picture "line";
    t04_layers_and_trainer = "tutorials/04_layers_and_trainer.md",
        "[`Module`](crate::layers::Module), [`Layer`](crate::layers::Layer), [`Trainer`](crate::train::Trainer), [`EarlyStopping`](crate::train::EarlyStopping)", picture "iris";
    t05_house_prices = "tutorials/05_house_prices.md",
        "[`Preprocessor`](crate::data::Preprocessor), [`AdaptiveRate`](crate::optimizers::schedule::AdaptiveRate), [`AugmentedLagrangian`](crate::regularizers::AugmentedLagrangian)", picture "rates";
    t06_text_into_numbers = "tutorials/06_text_into_numbers.md",
        "[`Embedding`](crate::layers::Embedding), [`WordTokenizer`](crate::text::WordTokenizer), [`BpeTokenizer::from_files`](crate::text::BpeTokenizer::from_files), [`WordPieceTokenizer`](crate::text::WordPieceTokenizer), [`TokenStream::write_with`](crate::text::TokenStream::write_with), [`TokenStream::open`](crate::text::TokenStream::open), [`NextTokens::packed`](crate::data::NextTokens::packed), [`Sentences`](crate::data::Sentences)";
    t07_recurrent_language_model = "tutorials/07_recurrent_language_model.md",
        "[`RecurrentLm`](crate::models::RecurrentLm)", picture "surprise";
    t08_attention = "tutorials/08_attention.md",
        "[`Gpt`](crate::models::Gpt), [`TransformerEncoder`](crate::layers::TransformerEncoder)";
    t09_train_a_gpt = "tutorials/09_train_a_gpt.md",
        "[`GptConfig`](crate::models::GptConfig), [`Gpt`](crate::models::Gpt), [`EarlyStopping`](crate::train::EarlyStopping)", picture "overfitting";
    t10_sampling = "tutorials/10_sampling.md",
        "[`CausalLm`](crate::models::CausalLm), [`Sampler::repetition_penalty`](crate::text::Sampler::repetition_penalty), [`Sampler::frequency_penalty`](crate::text::Sampler::frequency_penalty), [`Sampler::presence_penalty`](crate::text::Sampler::presence_penalty), [`GenerateOptions`](crate::models::GenerateOptions)", picture "temperature";
    t11_your_own_data = "tutorials/11_your_own_data.md",
        "[`CsvOptions`](crate::data::CsvOptions), [`Table`](crate::data::Table), [`Preprocessor`](crate::data::Preprocessor), [`Pipeline`](crate::pipeline::Pipeline)";
    t12_classification = "tutorials/12_classification.md",
        "[`metrics`](crate::train::metrics), [`Classification`](crate::train::metrics::Classification), [`Pipeline::classify_row`](crate::pipeline::Pipeline::classify_row)", picture "threshold";
    t13_text_classification = "tutorials/13_text_classification.md",
        "[`TransformerClassifier`](crate::models::TransformerClassifier), [`WordTokenizer`](crate::text::WordTokenizer), [`TextPipeline`](crate::pipeline::TextPipeline)";
    t14_losses_and_optimizers = "tutorials/14_losses_and_optimizers.md",
        "[`losses`](crate::losses), [`optimizers`](crate::optimizers), [`schedule`](crate::optimizers::schedule)";
    t15_overfitting = "tutorials/15_overfitting.md",
        "[`regularizers`](crate::regularizers), [`Dropout`](crate::layers::Dropout), [`EarlyStopping`](crate::train::EarlyStopping)";
    t16_images = "tutorials/16_images.md",
        "[`ImageDataset`](crate::data::ImageDataset), [`Transforms`](crate::data::Transforms), [`ConvNet`](crate::models::ConvNet), [`Conv2d`](crate::layers::Conv2d), [`BatchNorm2d`](crate::layers::BatchNorm2d), [`MaxPool2d`](crate::layers::MaxPool2d)";
    t17_generative_models = "tutorials/17_generative_models.md",
        "[`Vae`](crate::models::Vae), [`Adversarial`](crate::train::Adversarial), [`Dcgan`](crate::models::Dcgan), [`GaussianDiffusion`](crate::models::GaussianDiffusion), [`Diffusion`](crate::models::Diffusion)", picture "corners";
    t18_your_own_training_loop = "tutorials/18_your_own_training_loop.md",
        "[`Callbacks`](crate::train::Callbacks), [`Callback`](crate::train::Callback), [`Task`](crate::train::Task), [`Metric`](crate::train::running::Metric), [`Dataset`](crate::data::Dataset)";
    t19_fine_tuning = "tutorials/19_fine_tuning.md",
        "[`LoraExt`](crate::layers::LoraExt), [`Weight`](crate::layers::Weight), [`Hooks`](crate::layers::Hooks), [`pretrained`](crate::pretrained), [`TensorSource`](crate::io::TensorSource)";
    t20_why_training_fails = "tutorials/20_why_training_fails.md",
        "[`LrFinder`](crate::train::LrFinder), [`NanGuard`](crate::train::NanGuard), [`gradient_histograms`](crate::train::gradient_histograms), [`Hooks`](crate::layers::Hooks), [`metrics`](crate::train::metrics)";
    t21_preparing_data = "tutorials/21_preparing_data.md",
        "[`CsvOptions`](crate::data::CsvOptions), [`Table`](crate::data::Table), [`Encoding`](crate::data::Encoding), [`Scaling`](crate::data::Scaling), [`PreprocessorBuilder`](crate::data::PreprocessorBuilder), [`Pipeline::with_csv`](crate::pipeline::Pipeline::with_csv)";
    t22_evaluation = "tutorials/22_evaluation.md",
        "[`metrics`](crate::train::metrics), [`Bootstrap`](crate::train::metrics::Bootstrap), [`tune`](crate::tune), [`Tuner`](crate::tune::Tuner), [`cross_validate`](crate::tune::cross_validate), [`nested_cross_validate`](crate::tune::nested_cross_validate)";
    t23_saving_and_resuming = "tutorials/23_saving_and_resuming.md",
        "[`CheckpointFolder`](crate::io::CheckpointFolder), [`Checkpoint`](crate::io::Checkpoint), [`Trainer::resume`](crate::train::Trainer::resume), [`Callbacks::resume`](crate::train::Callbacks::resume), [`StopHandle`](crate::train::StopHandle)";
    t24_pictures_and_reports = "tutorials/24_pictures_and_reports.md",
        "[`plot`](crate::train::plot), [`Report`](crate::train::Report), [`explain`](crate::train::explain), [`embedding`](crate::train::embedding)";
    t25_a_published_model = "tutorials/25_a_published_model.md",
        "[`pretrained`](crate::pretrained), [`Generate`](crate::models::Generate), [`PrefixCached`](crate::models::PrefixCached), [`TokenConstraint`](crate::models::TokenConstraint), [`SentenceEncoder`](crate::pipeline::SentenceEncoder)";
    t26_quantisation = "tutorials/26_quantisation.md",
        "[`QTensor`](crate::tensor::QTensor), [`Scheme`](crate::tensor::Scheme), [`Calibration`](crate::tensor::Calibration), [`QuantizeExt`](crate::layers::QuantizeExt), [`qat`](crate::compress::qat)";
    t27_why_did_it_predict_that = "tutorials/27_why_did_it_predict_that.md",
        "[`explain`](crate::explain), [`Explained`](crate::explain::Explained), [`shap_rows`](crate::explain::shap_rows), [`IntegratedGradients`](crate::explain::IntegratedGradients), [`Counterfactuals`](crate::explain::Counterfactuals), [`Faithfulness`](crate::explain::Faithfulness)", picture "places";
    t28_is_it_fair = "tutorials/28_is_it_fair.md",
        "[`fairness`](crate::fairness), [`Fairness`](crate::fairness::Fairness), [`Quality`](crate::data::quality::Quality), [`reliability`](crate::reliability), [`ModelCard`](crate::card::ModelCard)";
    t29_private_training = "tutorials/29_private_training.md",
        "[`privacy`](crate::privacy), [`DpOptimizer`](crate::privacy::DpOptimizer), [`Accountant`](crate::privacy::Accountant), [`MembershipAudit`](crate::privacy::MembershipAudit), [`Lira`](crate::privacy::Lira), [`Federated`](crate::privacy::Federated)";
    t30_smaller_and_faster = "tutorials/30_smaller_and_faster.md",
        "[`compress`](crate::compress), [`Pruning`](crate::compress::Pruning), [`sparsify`](crate::compress::sparsify), [`OneShotPruning`](crate::compress::OneShotPruning), [`TransformerImportance`](crate::compress::TransformerImportance), [`Distill`](crate::compress::Distill)";
    t31_from_one_process_to_many = "tutorials/31_from_one_process_to_many.md",
        "[`distributed`](crate::distributed), [`Group`](trait@crate::distributed::Group), [`DataParallel`](crate::distributed::DataParallel), [`TensorParallel`](crate::distributed::TensorParallel), [`Pipeline`](crate::distributed::Pipeline), [`Grid`](crate::distributed::Grid)";
    t32_embeddings_and_search = "tutorials/32_embeddings_and_search.md",
        "[`SentenceEncoder`](crate::pipeline::SentenceEncoder), [`Bert`](crate::models::Bert), [`Pooling`](crate::models::Pooling), [`metrics::mean_reciprocal_rank`](crate::train::metrics::mean_reciprocal_rank), [`losses::info_nce`](crate::losses::info_nce)";
}

/// What has another name here than in PyTorch, another form, or no counterpart.
pub mod pytorch_users {
    #![doc = include_str!("../docs/pytorch_users.md")]
}

/// The other pages with programs in them, for the tests to run.
#[cfg(doctest)]
mod guides {
    pages! {
        "":
        adding_a_callback = "adding_a_callback.md";
        adding_a_layer = "adding_a_layer.md";
        adding_an_optimizer = "adding_an_optimizer.md";
    }
}

// Its programs are those of the pages in English, which `tests/repository/docs_pages.rs` holds: they are not run a second time.
#[cfg(all(demotic_zh, not(doctest)))]
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
    //!
    //! 解决自己的问题：
    //!
    //! 11. [用自己的数据](t11_your_own_data)
    //! 12. [分类，以及分得好不好](t12_classification)
    //! 13. [文本的类别](t13_text_classification)
    //! 14. [选择损失函数和优化器](t14_losses_and_optimizers)
    //! 15. [对付过拟合](t15_overfitting)
    //! 16. [图像与卷积](t16_images)
    //! 17. [生成模型：VAE、GAN 与扩散](t17_generative_models)
    //! 18. [自己的训练循环](t18_your_own_training_loop)
    //! 19. [微调：预训练权重、适配器、钩子](t19_fine_tuning)
    //! 20. [训练为什么失败，怎样查出来](t20_why_training_fails)
    //! 21. [准备数据](t21_preparing_data)
    //! 22. [评估、交叉验证与模型比较](t22_evaluation)
    //! 23. [保存与继续](t23_saving_and_resuming)
    //! 24. [图与报告](t24_pictures_and_reports)
    //! 25. [十行运行已发布的模型](t25_a_published_model)
    //! 26. [量化：从公式到文件](t26_quantisation)
    //! 27. [它为什么这样预测？](t27_why_did_it_predict_that)
    //! 28. [它公平吗？](t28_is_it_fair)
    //! 29. [私密训练](t29_private_training)
    //! 30. [更小，更快](t30_smaller_and_faster)
    //! 31. [从一个进程到许多进程](t31_from_one_process_to_many)
    //! 32. [向量与搜索](t32_embeddings_and_search)

    pages! {
        "参考文档：":
        t01_tensors = "zh/01_tensors.md",
            "[`Tensor`](crate::Tensor)";
        t02_gradients = "zh/02_gradients.md",
            "[`gradcheck`](crate::autograd::gradcheck), [`grad`](crate::autograd::grad)";
        t03_first_model = "zh/03_first_model.md",
            "[`Linear`](crate::layers::Linear), [`Adam`](crate::optimizers::Adam)", picture "line";
        t04_layers_and_trainer = "zh/04_layers_and_trainer.md",
            "[`Module`](crate::layers::Module), [`Layer`](crate::layers::Layer), [`Trainer`](crate::train::Trainer), [`EarlyStopping`](crate::train::EarlyStopping)", picture "iris";
        t05_house_prices = "zh/05_house_prices.md",
            "[`Preprocessor`](crate::data::Preprocessor), [`AdaptiveRate`](crate::optimizers::schedule::AdaptiveRate), [`AugmentedLagrangian`](crate::regularizers::AugmentedLagrangian)", picture "rates";
        t06_text_into_numbers = "zh/06_text_into_numbers.md",
            "[`Embedding`](crate::layers::Embedding), [`WordTokenizer`](crate::text::WordTokenizer), [`BpeTokenizer::from_files`](crate::text::BpeTokenizer::from_files), [`WordPieceTokenizer`](crate::text::WordPieceTokenizer), [`TokenStream::write_with`](crate::text::TokenStream::write_with), [`TokenStream::open`](crate::text::TokenStream::open), [`NextTokens::packed`](crate::data::NextTokens::packed), [`Sentences`](crate::data::Sentences)";
        t07_recurrent_language_model = "zh/07_recurrent_language_model.md",
            "[`RecurrentLm`](crate::models::RecurrentLm)", picture "surprise";
        t08_attention = "zh/08_attention.md",
            "[`Gpt`](crate::models::Gpt), [`TransformerEncoder`](crate::layers::TransformerEncoder)";
        t09_train_a_gpt = "zh/09_train_a_gpt.md",
            "[`GptConfig`](crate::models::GptConfig), [`Gpt`](crate::models::Gpt), [`EarlyStopping`](crate::train::EarlyStopping)", picture "overfitting";
        t10_sampling = "zh/10_sampling.md",
            "[`CausalLm`](crate::models::CausalLm), [`Sampler::repetition_penalty`](crate::text::Sampler::repetition_penalty), [`Sampler::frequency_penalty`](crate::text::Sampler::frequency_penalty), [`Sampler::presence_penalty`](crate::text::Sampler::presence_penalty), [`GenerateOptions`](crate::models::GenerateOptions)", picture "temperature";
        t11_your_own_data = "zh/11_your_own_data.md",
            "[`CsvOptions`](crate::data::CsvOptions), [`Table`](crate::data::Table), [`Preprocessor`](crate::data::Preprocessor), [`Pipeline`](crate::pipeline::Pipeline)";
        t12_classification = "zh/12_classification.md",
            "[`metrics`](crate::train::metrics), [`Classification`](crate::train::metrics::Classification), [`Pipeline::classify_row`](crate::pipeline::Pipeline::classify_row)", picture "threshold";
        t13_text_classification = "zh/13_text_classification.md",
            "[`TransformerClassifier`](crate::models::TransformerClassifier), [`WordTokenizer`](crate::text::WordTokenizer), [`TextPipeline`](crate::pipeline::TextPipeline)";
        t14_losses_and_optimizers = "zh/14_losses_and_optimizers.md",
            "[`losses`](crate::losses), [`optimizers`](crate::optimizers), [`schedule`](crate::optimizers::schedule)";
        t15_overfitting = "zh/15_overfitting.md",
            "[`regularizers`](crate::regularizers), [`Dropout`](crate::layers::Dropout), [`EarlyStopping`](crate::train::EarlyStopping)";
        t16_images = "zh/16_images.md",
            "[`ImageDataset`](crate::data::ImageDataset), [`Transforms`](crate::data::Transforms), [`ConvNet`](crate::models::ConvNet), [`Conv2d`](crate::layers::Conv2d), [`BatchNorm2d`](crate::layers::BatchNorm2d), [`MaxPool2d`](crate::layers::MaxPool2d)";
        t17_generative_models = "zh/17_generative_models.md",
            "[`Vae`](crate::models::Vae), [`Adversarial`](crate::train::Adversarial), [`Dcgan`](crate::models::Dcgan), [`GaussianDiffusion`](crate::models::GaussianDiffusion), [`Diffusion`](crate::models::Diffusion)", picture "corners";
        t18_your_own_training_loop = "zh/18_your_own_training_loop.md",
            "[`Callbacks`](crate::train::Callbacks), [`Callback`](crate::train::Callback), [`Task`](crate::train::Task), [`Metric`](crate::train::running::Metric), [`Dataset`](crate::data::Dataset)";
        t19_fine_tuning = "zh/19_fine_tuning.md",
            "[`LoraExt`](crate::layers::LoraExt), [`Weight`](crate::layers::Weight), [`Hooks`](crate::layers::Hooks), [`pretrained`](crate::pretrained), [`TensorSource`](crate::io::TensorSource)";
        t20_why_training_fails = "zh/20_why_training_fails.md",
            "[`LrFinder`](crate::train::LrFinder), [`NanGuard`](crate::train::NanGuard), [`gradient_histograms`](crate::train::gradient_histograms), [`Hooks`](crate::layers::Hooks), [`metrics`](crate::train::metrics)";
        t21_preparing_data = "zh/21_preparing_data.md",
            "[`CsvOptions`](crate::data::CsvOptions), [`Table`](crate::data::Table), [`Encoding`](crate::data::Encoding), [`Scaling`](crate::data::Scaling), [`PreprocessorBuilder`](crate::data::PreprocessorBuilder), [`Pipeline::with_csv`](crate::pipeline::Pipeline::with_csv)";
        t22_evaluation = "zh/22_evaluation.md",
            "[`metrics`](crate::train::metrics), [`Bootstrap`](crate::train::metrics::Bootstrap), [`tune`](crate::tune), [`Tuner`](crate::tune::Tuner), [`cross_validate`](crate::tune::cross_validate), [`nested_cross_validate`](crate::tune::nested_cross_validate)";
        t23_saving_and_resuming = "zh/23_saving_and_resuming.md",
            "[`CheckpointFolder`](crate::io::CheckpointFolder), [`Checkpoint`](crate::io::Checkpoint), [`Trainer::resume`](crate::train::Trainer::resume), [`Callbacks::resume`](crate::train::Callbacks::resume), [`StopHandle`](crate::train::StopHandle)";
        t24_pictures_and_reports = "zh/24_pictures_and_reports.md",
            "[`plot`](crate::train::plot), [`Report`](crate::train::Report), [`explain`](crate::train::explain), [`embedding`](crate::train::embedding)";
        t25_a_published_model = "zh/25_a_published_model.md",
            "[`pretrained`](crate::pretrained), [`Generate`](crate::models::Generate), [`PrefixCached`](crate::models::PrefixCached), [`TokenConstraint`](crate::models::TokenConstraint), [`SentenceEncoder`](crate::pipeline::SentenceEncoder)";
        t26_quantisation = "zh/26_quantisation.md",
            "[`QTensor`](crate::tensor::QTensor), [`Scheme`](crate::tensor::Scheme), [`Calibration`](crate::tensor::Calibration), [`QuantizeExt`](crate::layers::QuantizeExt), [`qat`](crate::compress::qat)";
        t27_why_did_it_predict_that = "zh/27_why_did_it_predict_that.md",
            "[`explain`](crate::explain), [`Explained`](crate::explain::Explained), [`shap_rows`](crate::explain::shap_rows), [`IntegratedGradients`](crate::explain::IntegratedGradients), [`Counterfactuals`](crate::explain::Counterfactuals), [`Faithfulness`](crate::explain::Faithfulness)", picture "places";
        t28_is_it_fair = "zh/28_is_it_fair.md",
            "[`fairness`](crate::fairness), [`Fairness`](crate::fairness::Fairness), [`Quality`](crate::data::quality::Quality), [`reliability`](crate::reliability), [`ModelCard`](crate::card::ModelCard)";
        t29_private_training = "zh/29_private_training.md",
            "[`privacy`](crate::privacy), [`DpOptimizer`](crate::privacy::DpOptimizer), [`Accountant`](crate::privacy::Accountant), [`MembershipAudit`](crate::privacy::MembershipAudit), [`Lira`](crate::privacy::Lira), [`Federated`](crate::privacy::Federated)";
        t30_smaller_and_faster = "zh/30_smaller_and_faster.md",
            "[`compress`](crate::compress), [`Pruning`](crate::compress::Pruning), [`sparsify`](crate::compress::sparsify), [`OneShotPruning`](crate::compress::OneShotPruning), [`TransformerImportance`](crate::compress::TransformerImportance), [`Distill`](crate::compress::Distill)";
        t31_from_one_process_to_many = "zh/31_from_one_process_to_many.md",
            "[`distributed`](crate::distributed), [`Group`](trait@crate::distributed::Group), [`DataParallel`](crate::distributed::DataParallel), [`TensorParallel`](crate::distributed::TensorParallel), [`Pipeline`](crate::distributed::Pipeline), [`Grid`](crate::distributed::Grid)";
        t32_embeddings_and_search = "zh/32_embeddings_and_search.md",
            "[`SentenceEncoder`](crate::pipeline::SentenceEncoder), [`Bert`](crate::models::Bert), [`Pooling`](crate::models::Pooling), [`metrics::mean_reciprocal_rank`](crate::train::metrics::mean_reciprocal_rank), [`losses::info_nce`](crate::losses::info_nce)";
    }
}
