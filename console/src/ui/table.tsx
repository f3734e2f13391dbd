import type { ComponentChildren } from "preact";
import { Scroll } from "./scroll";

export interface Column<T> {
  name: string;
  cell: (row: T) => ComponentChildren;
  /** `number`: to the right; `wide`: takes what is left; `keep`: on one line. */
  kind?: "number" | "wide" | "keep";
}

interface Props<T> {
  label: string;
  columns: Column<T>[];
  rows: readonly T[];
  id: (row: T) => string;
  empty: ComponentChildren;
}

/** Rows that `j` and `k` walk through: the first link of each takes the focus. */
export function Table<T>({ label, columns, rows, id, empty }: Props<T>) {
  if (!rows.length) return <div class="empty">{empty}</div>;
  return (
    <Scroll label={label}>
      <table aria-label={label}>
        <thead>
          <tr>
            {columns.map(({ name, kind }) => (
              <th key={name} scope="col" class={kind}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)}>
              {columns.map(({ name, cell, kind }) => (
                <td key={name} class={kind}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
