//! Text for a terminal of 80 columns: tables and paragraphs.

use crate::terminal::output::{COLUMNS, broken};
use std::fmt::Write;

/// A paragraph in lines of at most 80 columns; words that are longer stay whole.
pub(super) fn paragraph(text: &str) -> String {
    broken(text, COLUMNS, 0) + "\n\n"
}

/// A table as text: a column of methods, then columns that belong together in groups.
pub(super) struct Grid {
    pub(super) title: String,
    /// Columns of a group.
    group: usize,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Grid {
    pub(super) fn new(title: &str, group: usize) -> Self {
        Self {
            title: title.to_string(),
            group,
            header: vec!["method".to_string()],
            rows: Vec::new(),
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().chain([&self.header]);
        let widths = cells.map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    }

    /// Columns, beside the first, of tables that are no wider than a terminal.
    pub(super) fn parts(&self) -> Vec<Vec<usize>> {
        let mut parts: Vec<Vec<usize>> = vec![Vec::new()];
        let mut width = COLUMNS;
        let columns: Vec<usize> = (1..self.header.len()).collect();
        for group in columns.chunks(self.group) {
            let wide: usize = group.iter().map(|&c| self.width(c) + 3).sum();
            if width + wide > COLUMNS {
                width = self.width(0) + 4;
                parts.push(Vec::new());
            }
            width += wide;
            parts.last_mut().expect("it has one").extend(group);
        }
        parts.remove(0);
        parts
    }

    pub(super) fn markdown(&self, columns: &[usize]) -> String {
        let mut text = String::new();
        let rule: Vec<String> = (0..self.header.len())
            .map(|c| match c {
                0 => "-".repeat(self.width(0)),
                _ => "-".repeat(self.width(c).max(2) - 1) + ":",
            })
            .collect();
        for row in [&self.header, &rule].into_iter().chain(&self.rows) {
            let _ = write!(text, "| {:1$} |", row[0], self.width(0));
            for &c in columns {
                let _ = write!(text, " {:>1$} |", row[c], self.width(c));
            }
            text.push('\n');
        }
        text
    }

    pub(super) fn latex(&self) -> String {
        let mut text = format!(
            "\\begin{{tabular}}{{l{}}}\n\\toprule\n",
            "r".repeat(self.header.len() - 1)
        );
        for (i, row) in [&self.header].into_iter().chain(&self.rows).enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| latex(cell)).collect();
            let _ = writeln!(text, "{} \\\\", cells.join(" & "));
            if i == 0 {
                text.push_str("\\midrule\n");
            }
        }
        text + "\\bottomrule\n\\end{tabular}\n"
    }
}

fn latex(cell: &str) -> String {
    let mut text = String::new();
    for letter in cell.chars() {
        match letter {
            '±' => text.push_str("$\\pm$"),
            '–' => text.push_str("--"),
            '%' | '&' | '_' | '#' | '$' | '{' | '}' => text.extend(['\\', letter]),
            '\\' | '^' | '~' => text.push(' '),
            _ => text.push(letter),
        }
    }
    // A minus, not a hyphen.
    match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("$-${rest}"),
        _ => text,
    }
}
