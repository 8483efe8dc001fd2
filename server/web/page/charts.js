// Charts as SVG: bars, columns by day, and lines. Colours come from the style sheet, so they follow the theme.

import { h, hue, s } from "./dom.js";

const WIDE = 560;
const HIGH = 200;
const LEFT = 52;
const BOTTOM = 24;
const TOP = 10;

/** Round steps from 0 to at least *most*; *least* is the smallest that makes sense. */
export function ticks(most, least = 0, wanted = 4) {
  if (!(most > 0)) return [0, 1];
  const rough = Math.max(most / wanted, least);
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((one) => one * size >= rough) * size;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, number) => Number((number * step).toPrecision(6)));
}

const figure = (title, picture, keys, below) =>
  h(
    "figure",
    {},
    h("figcaption", {}, title),
    picture,
    keys &&
      h(
        "p",
        { class: "key" },
        keys.map(([name, colour]) => h("span", {}, h("i", { class: `dot ${colour}` }), name)),
      ),
    below,
  );

const picture = (label, high, ...inside) =>
  s("svg", { viewBox: `0 0 ${WIDE} ${high}`, role: "img", "aria-label": label }, inside);

const text = (x, y, words, side = "") => s("text", { x: x.toFixed(1), y: y.toFixed(1), class: `axis ${side}` }, words);

/** A bar for each of *rows*, `{name, value, told}`; a value of null is told, and has no bar. */
export function bars(title, rows, below) {
  const most = Math.max(0, ...rows.map((row) => row.value ?? 0)) || 1;
  const label = `${title}: ${rows.map((row) => `${row.name} ${row.told}`).join(", ")}`;
  const shapes = rows.map((row, place) => {
    const y = place * 30;
    const wide = ((WIDE - 240) * (row.value ?? 0)) / most;
    return s(
      "g",
      {},
      text(0, y + 20, row.name.length > 16 ? `${row.name.slice(0, 15)}…` : row.name),
      s("rect", {
        x: 130,
        y: y + 7,
        width: Math.max(row.value ? 2 : 0, wide).toFixed(1),
        height: 18,
        rx: 4,
        class: row.colour ?? hue(row.name),
      }),
      text(138 + wide, y + 20, row.told),
    );
  });
  return figure(title, picture(label, Math.max(1, rows.length) * 30 + 6, shapes), null, below);
}

function grid(most, told, least) {
  const steps = ticks(most, least);
  const y = (value) => TOP + (HIGH - BOTTOM - TOP) * (1 - value / steps.at(-1));
  return [
    y,
    steps.map((step) =>
      s(
        "g",
        {},
        s("line", { x1: LEFT, x2: WIDE - 4, y1: y(step), y2: y(step), class: "grid" }),
        text(LEFT - 8, y(step) + 4, told(step), "end"),
      ),
    ),
  ];
}

/** A column for each day from `days[0]` on; *series*: [name, {day: value}], one upon the other. */
export function columns(title, days, series, { told, least }, below) {
  const sums = days.map((day) => series.reduce((sum, [, values]) => sum + (values[day] ?? 0), 0));
  const [y, lines] = grid(Math.max(...sums), told, least);
  const step = (WIDE - LEFT - 8) / days.length;
  const every = Math.ceil(days.length / 6);
  const shapes = days.map((day, place) => {
    let base = 0;
    const x = LEFT + place * step + step * 0.15;
    return s(
      "g",
      {},
      series.map(([name, values]) => {
        const value = values[day] ?? 0;
        const low = y(base);
        base += value;
        return (
          value > 0 &&
          s(
            "rect",
            {
              x: x.toFixed(1),
              y: y(base).toFixed(1),
              width: (step * 0.7).toFixed(1),
              height: (low - y(base)).toFixed(1),
              class: hue(name),
            },
            s("title", {}, `${day} ${name}: ${told(value)}`),
          )
        );
      }),
      place % every === 0 && text(x + step * 0.35, HIGH - 6, day.slice(5), "mid"),
    );
  });
  const total = sums.reduce((sum, value) => sum + value, 0);
  return figure(
    title,
    picture(`${title}, ${days.length} days, ${told(total)} in all`, HIGH, lines, shapes),
    series.map(([name]) => [name, hue(name)]),
    below,
  );
}

/** A line for each of *series*, [name, colour, values], all of one length; *from* and *to* name the ends. */
export function lines(title, series, from, to, below) {
  const most = Math.max(1, ...series.flatMap(([, , values]) => values));
  const [y, marks] = grid(most, String, 1);
  const size = Math.max(2, ...series.map(([, , values]) => values.length));
  const x = (place) => LEFT + ((WIDE - LEFT - 8) * place) / (size - 1);
  const paths = series.map(([, colour, values]) =>
    s("path", {
      class: `line ${colour}`,
      d: values.map((value, place) => `${place ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}`).join(""),
    }),
  );
  const label = `${title}: ${series.map(([name, , values]) => `${name} ${values.at(-1) ?? 0}`).join(", ")}`;
  return figure(
    title,
    picture(label, HIGH, marks, text(LEFT, HIGH - 6, from), text(WIDE - 8, HIGH - 6, to, "end"), paths),
    series.map(([name, colour]) => [name, colour]),
    below,
  );
}
