"""Which of the library's tests do not run in a tab, and why: a file, or a test's name before its parameters, and the reason."""

SCHEDULES = "it draws in NumPy what the tab draws on WebGL2, for minutes: what the drawn numbers mean is judged by other files"
DEVICE = "it asks for the device cpu by name, and a tab computes on webgl"
AT_ONCE = "on NumPy a number is there at once"
PROCESS = "it starts processes"
ERRORS = "test_errors.py::test_an_error_says_what_was_asked_what_was_found_and_what_to_try"
LEFT_OUT = {
    f"{ERRORS}[an index must be in [0, 2), found 2 to 2; check the labels]": "a GPU reads NaN there and cannot raise",
    **{
        f"{ERRORS}[there is no device '{name}' here; use 'cpu' or 'webgl': everything runs on the current backend,"
        " reference (NumPy)]": "it expects the name of the reference backend"
        for name in ("gpu", "cuda:0")
    },
    f"{ERRORS}[ZeroDivisionError: remainder of integers by a tensor with a 0; use floats, where it is NaN or an infinity]": (
        "a GPU gives 0 there and cannot raise"
    ),
    "test_words_against_torch.py::test_a_sentence_shows_what_it_shows_in_pytorch[torch.tensor([1, 2]) // torch.tensor([1, 0])]": (
        "a GPU gives 0 there and cannot raise"
    ),
    "test_schedule.py": SCHEDULES,
    "test_glsl.py": "it reads the text of kernels, which WebGL2 itself compiles here",
    "test_surface.py::test_the_kernels_of_a_call_compute_what_its_rows_mean": SCHEDULES,
    "test_gradients.py": "differences in float64 on NumPy, for minutes: nothing of it is drawn",
    "test_digits_data.py": "scikit-learn, its judge, is compiled for no tab",
    "test_ops_against_torch.py::test_every_public_word_of_tensor_and_functional_has_an_example": "it reads names",
    "test_errors.py::test_every_raise_statement_has_a_row": "it reads the whole checkout",
    "test_missing.py::test_the_list_of_names_is_that_of_the_pytorch_that_judges": "PyTorch itself is asked",
    "test_missing.py::test_the_table_of_support_is_current": "PyTorch itself is asked",
    "test_attention.py::test_second_derivatives_are_pytorchs": "it asks PyTorch for one of its ways to compute (sdpa_kernel)",
    "test_attention.py::test_nothing_attends_to_nothing": "PyTorch alone says what a maximum of nothing is there",
    "test_tensor.py::test_an_index_computed_on_the_way_is_checked_when_it_is_read": "a GPU reads NaN there and cannot raise",
    **{
        f"test_indices_against_torch.py::{name}": "a GPU reads NaN there, or writes nothing, and cannot raise"
        for name in (
            "test_a_key_means_what_it_means_in_pytorch[write-a computed number-nothing]",
            "test_reading_by_numbers_and_by_nothing[t.take_along_dim(x, i)-number-matrix]",
            "test_reading_by_numbers_and_by_nothing[x.take(i)-number-matrix]",
            "test_reading_by_numbers_and_by_nothing[x.scatter(0, i, 2.)-nothing-matrix]",
            "test_reading_by_numbers_and_by_nothing[x.index_fill(0, i, 3.)-nothing-number]",
        )
    },
    "test_indices_against_torch.py::test_a_key_means_what_it_means_in_pytorch[change_what_is_read-a computed number-a matrix]": (
        "what a GPU has computed makes no view: the host does not know where it would be"
    ),
    "test_storage.py::test_devices_are_accepted_and_compared": "it asks for the name cpu, and a tab computes on webgl",
    "test_storage.py::test_numbers_in_a_list_have_their_dtypes": "it is about float64, too, which WebGL2 has not",
    "test_storage.py::test_what_does_not_fit_into_32_bits_is_an_error_and_does_not_wrap": "a GPU wraps there and cannot raise",
    "test_smaller_modules.py::test_numbers_of_samples_have_pytorchs_dtypes": "it is about float64, too, which WebGL2 has not",
    "test_data.py::test_a_sampler_of_ten_thousand_million_draws_as_it_goes": "a tab's Python has lengths of 32 bits",
    "test_arguments.py::test_deprecated_words_have_their_places_among_a_losses_arguments": "PyTorch itself is asked",
    "test_recipe.py::test_what_a_step_cost_is_reported": "it expects operations on the CPU, and there are none on WebGL2",
    "test_recipe.py::test_train_reports_its_way_and_reads_the_test_split_once": "it expects the name of the reference backend",
    "test_tuner.py::test_on_numpy_there_is_nothing_to_choose": "it is about NumPy",
    "test_capture.py::test_a_change_is_an_error_where_no_new_capture_is_wanted[the backend]": "it begins on NumPy, by name",
    "test_capture.py::test_a_number_can_be_asked_for_without_waiting": AT_ONCE,
    "test_docs.py": "it runs commands, and tests/browser has the pages",
    "test_torchvision_names.py::test_resize_is_pils": "it asks PyTorch for antialiased pictures",
    "test_as_torch.py::test_what_ordinary_programs_import_and_ask_is_there[pass through]": DEVICE,
    "test_as_torch.py::test_distml_py_itself_can_be_imported_as_torch": DEVICE,
    "test_as_torch.py::test_the_command_runs_a_program_beside_its_own_modules": PROCESS,
    "test_bundle.py": "the package safetensors, its judge, is compiled for no tab",
    "test_torch_files.py::test_files_of_safetensors_both_ways": "the package safetensors, its judge, is compiled for no tab",
    "test_onnx.py": "the packages onnx and onnxruntime, its judges, are compiled for no tab",
    "test_programs_as_torch.py": PROCESS,
    "test_default_dtype.py": "it is about float64, which WebGL2 has not",
    "test_distributions_against_torch.py::test_a_gamma_draw_changes_with_its_shape": "PyTorch itself is asked",
    "test_snippet.py": "it runs text that was written for PyTorch itself",
    **{
        f"test_torch_files.py::{name}": "PyTorch itself has to write the file, or to read it"
        for name in (
            "test_one_object_that_is_named_twice_stays_one_and_paths_work",
            "test_no_code_of_a_file_is_run",
            "test_other_files_are_refused_in_words[an old file]",
            "test_other_files_are_refused_in_words[complex numbers]",
            "test_a_tensor_beyond_its_storage_is_refused",
            "test_arrays_of_numpy_go_both_ways",
            "test_arrays_of_other_things_than_numbers_are_not_read",
        )
    },
    **{
        f"test_held.py::{name}": "it counts what NumPy computes"
        for name in ("test_a_loss_that_is_printed_before_backward_is_computed_once", "test_what_nobody_holds_is_not_computed")
    },
    "test_profiler.py::test_each_op_has_a_row_with_its_line": "it expects a row for each op, and WebGL2 draws some together",
    "test_packages.py::test_a_package_that_is_not_here_is_said_before_the_recipe_runs": "it is about a terminal first",
    "test_recipe.py::test_a_loss_that_is_no_number_is_told_with_its_own_step_however_late_it_is_read": AT_ONCE,
    "test_recipe.py::test_a_step_asks_the_backend_for_no_counts": "it expects no draws, and WebGL2 draws",
    "test_public_models.py::test_twenty_training_steps_are_pytorchs[Llama]": "its twin in PyTorch rotates complex numbers",
    "test_einops.py::test_the_order_of_the_imports_does_not_matter": PROCESS,
}
