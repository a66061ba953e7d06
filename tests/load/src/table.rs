//! Tables as Markdown, so that they can be put into a document as they are.

use std::fmt;

/// A table; every row has as many cells as the head.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let widths = self.rows.iter().filter_map(|row| Some(row.get(column)?.chars().count()));
            widths.max().unwrap_or(0)
        };
        for (number, row) in self.rows.iter().enumerate() {
            for column in 0..columns {
                let cell = row.get(column).map_or("", String::as_str);
                // Names to the left, figures to the right.
                match column {
                    0 => write!(f, "| {cell:<0$} ", width(column))?,
                    _ => write!(f, "| {cell:>0$} ", width(column))?,
                }
            }
            writeln!(f, "|")?;
            if number == 0 {
                let line = |column| if column == 0 { "| --- ".to_owned() } else { "| ---: ".to_owned() };
                writeln!(f, "{}|", (0..columns).map(line).collect::<String>())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_and_stands_in_columns() {
        let mut table = Table::new(&["what", "n"]);
        table.row(["µ", "100"]);
        assert_eq!(table.to_string(), "| what |   n |\n| --- | ---: |\n| µ    | 100 |\n");
    }
}
