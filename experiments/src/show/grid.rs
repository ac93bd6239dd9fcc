//! Tables as text, Markdown, LaTeX and CSV: the only place that lays them out. A cell is a text; how numbers are
//! written is in [`number`](crate::show::number).

/// The side on which the cells of a column begin or end together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    title: String,
    align: Align,
    /// Letters that it has room for at least, in text and Markdown.
    least: usize,
    /// Blanks before it, in text.
    gap: usize,
}

/// A column of words, at least so many letters wide.
pub(crate) fn left(title: impl Into<String>, least: usize) -> Column {
    Column {
        title: title.into(),
        align: Align::Left,
        least,
        gap: 1,
    }
}

/// A column of numbers.
pub(crate) fn right(title: impl Into<String>, least: usize) -> Column {
    Column {
        align: Align::Right,
        ..left(title, least)
    }
}

impl Column {
    /// With so many blanks before it.
    pub(crate) fn gap(self, gap: usize) -> Column {
        Column { gap, ..self }
    }
}

/// The texts of values of several types, as a row.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => {
        vec![$(ToString::to_string(&$cell)),*]
    };
}
pub(crate) use cells;

/// A table: columns, and rows of cells.
///
/// A row may have fewer cells than there are columns; in text its last one runs on over the others.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    /// What it is about: written by whoever prints it.
    pub(crate) caption: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Grid {
        Grid {
            caption: String::new(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// A table with the columns of a first line of CSV, for [`Grid::csv`].
    pub(crate) fn of_csv(titles: &str) -> Grid {
        let titles = titles.trim_end().split(',');
        Grid::new(titles.map(|title| left(title, 0)))
    }

    fn titles(&self) -> Vec<String> {
        let columns = self.columns.iter();
        columns.map(|column| column.title.clone()).collect()
    }

    /// Letters of the widest cell of a column, its title among them.
    fn width(&self, column: usize) -> usize {
        let runs_on = |row: &[String]| row.len() < self.columns.len() && row.len() == column + 1;
        let rows = self.rows.iter().filter(|row| !runs_on(row));
        let cells = rows.filter_map(|row| row.get(column));
        let widths = cells
            .chain([&self.columns[column].title])
            .map(|cell| letters(cell));
        widths.max().unwrap_or(0).max(self.columns[column].least)
    }

    /// Aligned columns: the titles, if there are any, and the rows, without blanks at their ends.
    pub(crate) fn text(&self) -> String {
        let titles = self.titles();
        let titles = Some(&titles).filter(|titles| titles.iter().any(|title| !title.is_empty()));
        self.lines(titles.into_iter().chain(&self.rows))
    }

    /// A row as a line of text, as wide as the table is without it: for tables that grow while they are printed.
    pub(crate) fn line(&self, row: &[String]) -> String {
        self.lines([&row.to_vec()])
    }

    fn lines<'a>(&self, rows: impl IntoIterator<Item = &'a Vec<String>>) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|c| self.width(c)).collect();
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for (c, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                if c > 0 {
                    line.extend(std::iter::repeat_n(' ', column.gap));
                }
                let runs_on = row.len() < self.columns.len() && row.len() == c + 1;
                line += &match runs_on {
                    true => cell.clone(),
                    false => padded(cell, column.align, widths[c]),
                };
            }
            text += line.trim_end_matches(' ');
            text.push('\n');
        }
        text
    }

    /// A table of Markdown, its columns aligned in the text, too.
    pub(crate) fn markdown(&self) -> String {
        let rule = |(c, column): (usize, &Column)| match column.align {
            Align::Left => "-".repeat(self.width(c)),
            Align::Right => "-".repeat(self.width(c).max(2) - 1) + ":",
        };
        let rule: Vec<String> = self.columns.iter().enumerate().map(rule).collect();
        let mut text = String::new();
        for row in [&self.titles(), &rule].into_iter().chain(&self.rows) {
            text.push('|');
            for (c, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                let cell = padded(cell, column.align, self.width(c));
                text.extend([" ", &cell, " |"]);
            }
            text.push('\n');
        }
        text
    }

    /// The same rows in tables of Markdown that are at most so many letters wide, each with the first column; of the
    /// others so many stay together.
    pub(crate) fn narrow(&self, most: usize, together: usize) -> Vec<Grid> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut width = most;
        let others: Vec<usize> = (1..self.columns.len()).collect();
        for group in others.chunks(together) {
            let wide: usize = group.iter().map(|&c| self.width(c) + 3).sum();
            if width + wide > most {
                width = self.width(0) + 4;
                parts.push(vec![0]);
            }
            width += wide;
            parts.last_mut().expect("the first is wide").extend(group);
        }
        let part = |part: &Vec<usize>| Grid {
            caption: self.caption.clone(),
            columns: part.iter().map(|&c| self.columns[c].clone()).collect(),
            rows: (self.rows.iter())
                .map(|row| part.iter().map(|&c| row[c].clone()).collect())
                .collect(),
        };
        parts.iter().map(part).collect()
    }

    /// A tabular for the package booktabs.
    pub(crate) fn latex(&self) -> String {
        let aligns = self.columns.iter().map(|column| match column.align {
            Align::Left => 'l',
            Align::Right => 'r',
        });
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = row.iter().map(|cell| latex(cell)).collect();
            cells.join(" & ") + " \\\\\n"
        };
        format!(
            "\\begin{{tabular}}{{{}}}\n\\toprule\n{}\\midrule\n{}\\bottomrule\n\\end{{tabular}}\n",
            aligns.collect::<String>(),
            line(&self.titles()),
            self.rows.iter().map(line).collect::<String>()
        )
    }

    /// The titles and the rows, commas between the cells.
    pub(crate) fn csv(&self) -> String {
        let titles = self.titles();
        let rows = [&titles].into_iter().chain(&self.rows);
        rows.map(|row| csv_line(row)).collect()
    }
}

/// A row of CSV; quotes where a cell needs them.
pub(crate) fn csv_line(row: &[String]) -> String {
    let field = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    row.iter().map(field).collect::<Vec<_>>().join(",") + "\n"
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

fn padded(cell: &str, align: Align, width: usize) -> String {
    match align {
        Align::Left => format!("{cell:width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

fn latex(cell: &str) -> String {
    let mut text = String::new();
    for letter in cell.chars() {
        match letter {
            '±' => text.push_str("$\\pm$"),
            '–' => text.push_str("--"),
            '<' | '>' => text.extend(['$', letter, '$']),
            '%' | '&' | '_' | '#' | '$' | '{' | '}' => text.extend(['\\', letter]),
            '\\' | '^' | '~' => text.push(' '),
            _ => text.push(letter),
        }
    }
    // A minus, not a hyphen, before a number.
    let minus = |word: &str| match word.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => format!("$-${rest}"),
        _ => word.to_string(),
    };
    text.split(' ').map(minus).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new([left("name", 6), right("n", 0), right("±", 3).gap(2)]);
        grid.rows = vec![
            cells!["a_b", 1.5, "é"],
            cells!["longer one", -2, ""],
            cells!["c", "runs on over both"],
        ];
        grid
    }

    #[test]
    fn a_table_in_every_format() {
        let text = "name         n    ±\na_b        1.5    é\nlonger one  -2\nc          runs on over both\n";
        assert_eq!(grid().text(), text);
        let row = cells!["x", 1, 2];
        assert_eq!(grid().line(&row), "x            1    2\n");
        let mut whole = grid();
        whole.rows.pop();
        assert_eq!(
            whole.markdown(),
            "| name       |   n |   ± |\n| ---------- | --: | --: |\n\
             | a_b        | 1.5 |   é |\n| longer one |  -2 |     |\n"
        );
        assert_eq!(
            whole.latex(),
            "\\begin{tabular}{lrr}\n\\toprule\nname & n & $\\pm$ \\\\\n\\midrule\n\
             a\\_b & 1.5 & é \\\\\nlonger one & $-$2 &  \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
        assert_eq!(whole.csv(), "name,n,±\na_b,1.5,é\nlonger one,-2,\n");
    }

    #[test]
    fn a_field_of_csv_is_quoted_where_it_must_be() {
        let mut grid = Grid::of_csv("a,b\n");
        grid.rows.push(cells!["one, \"two\"", "x\ny"]);
        assert_eq!(grid.csv(), "a,b\n\"one, \"\"two\"\"\",\"x\ny\"\n");
    }

    #[test]
    fn narrow_tables_have_all_columns_and_the_first_in_each() {
        let mut grid = Grid::new([left("m", 4)]);
        grid.columns.extend((0..5).map(|c| right(c.to_string(), 8)));
        grid.rows.push(cells!["a", 1, 2, 3, 4, 5]);
        let parts = grid.narrow(41, 2);
        let titles: Vec<String> = parts.iter().map(|part| part.titles().join(" ")).collect();
        assert_eq!(titles, ["m 0 1", "m 2 3 4"]);
        assert_eq!(parts[1].rows[0].join(" "), "a 3 4 5");
        let widest = parts.iter().flat_map(|part| {
            let text = part.markdown();
            text.lines().map(letters).collect::<Vec<_>>()
        });
        assert!(widest.max() <= Some(41));
    }
}
