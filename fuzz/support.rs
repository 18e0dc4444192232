//! What every reader of arrays must hold to, whatever bytes it was given.

#![forbid(unsafe_code)]

use st_cli::input::ReadError;
use st_cli::tensor::{RowLayout, Tensor};
use st_rank::Element;

/// A tensor must have as many elements as its shape says, be readable as rows along every axis,
/// and go back into its shape. A refusal must have a message.
pub fn judge(result: Result<Tensor<'_>, ReadError>) {
    match result {
        Ok(tensor) => st_conformance::for_dtype!(tensor.dtype, T => readable::<T>(&tensor)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn readable<T: Element + bytemuck::Pod>(tensor: &Tensor<'_>) {
    let elements = tensor.elements::<T>().expect("the file itself fit into memory");
    assert_eq!(elements.len(), tensor.shape.iter().product::<usize>(), "{:?}", tensor.shape);
    // More axes than NumPy has would only make the run slow.
    for axis in (0..tensor.shape.len().min(4)).map(|a| a as i64) {
        let layout = RowLayout::new(&tensor.shape, Some(axis)).expect("the axis is there");
        let rows = layout.rows_of(elements.clone(), tensor.order).expect("memory for a copy");
        assert_eq!(rows.len(), elements.len());
        if layout.rows > 0 && layout.cols > 0 {
            assert_eq!(rows.len(), layout.rows * layout.cols);
            // With k = cols, a result has the shape of the array.
            let back = layout.restore(rows.into_owned(), layout.cols).expect("memory for a copy");
            assert_eq!(back.len(), elements.len());
        }
    }
}
