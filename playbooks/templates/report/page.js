/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of hosts: sort, filter, pages, details. Every text is set as text, never as markup. */
"use strict";
(function () {
  var PAGE_ROWS = 100;
  var data = JSON.parse(document.getElementById("data").textContent);
  var word = function (index) { return index === null ? null : data.words[index]; };
  var at = {};
  data.columns.forEach(function (name, index) { at[name] = index; });
  var REASONS = data.columns.length;
  var TEXTS = ["state", "zone", "kernel", "driver_version", "clock_state", "chrony_source"];

  var rows = data.rows.map(function (line) {
    var row = { severity: line[0], host: line[at.host], reasons: [] };
    TEXTS.forEach(function (name) { row[name] = word(line[at[name]]); });
    ["offset_ns", "uncertainty_ns", "error_bound_ns"].forEach(function (name) { row[name] = line[at[name]]; });
    row.reasons = line[REASONS].map(function (one) {
      return { severity: one[0], check: word(one[1]), message: word(one[2]), advice: word(one[3]) };
    });
    row.reason = row.reasons.length ? row.reasons[0].check + ": " + row.reasons[0].message : "";
    row.searched = [row.host, row.state, row.zone, row.kernel].concat(
      row.reasons.map(function (one) { return one.check + " " + one.message; })).join(" ").toLowerCase();
    return row;
  });

  /* The most important first: a narrow screen shows the others by scrolling, a phone in the details of a host. */
  var COLUMNS = [
    ["severity", "Severity"], ["host", "Host"], ["reason", "Reason"], ["state", "State"], ["zone", "Zone"],
    ["offset_ns", "Offset, µs", true], ["error_bound_ns", "Bound, µs", true],
    ["chrony_source", "Source"], ["driver_version", "Driver"], ["kernel", "Kernel"]
  ].filter(function (column) { return column[0] !== "zone" || rows.some(function (row) { return row.zone !== null; }); });

  var form = document.querySelector(".filters");
  var body = document.querySelector("#table tbody");
  var head = document.querySelector("#table thead tr");
  var cards = document.querySelectorAll("button.card");
  var state = { sort: "severity", down: false, page: 0, open: {}, printing: false };

  function element(name, text, className) {
    var made = document.createElement(name);
    if (text !== undefined && text !== null) { made.textContent = text; }
    if (className) { made.className = className; }
    return made;
  }
  function micro(value) {
    return value === null ? "–" : (value / 1000).toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  }
  function badge(severity) {
    var name = data.severities[severity];
    return element("span", name.toUpperCase().replace("_", " "), "badge " + name);
  }
  function distinct(values) {
    return Array.from(new Set(values)).filter(function (value) { return value !== null; }).sort();
  }
  function fill(name, values) {
    var select = form.elements[name];
    select.append(new Option("all", ""));
    values.forEach(function (value) { select.append(new Option(value, value)); });
    select.closest("label").hidden = values.length === 0;
  }

  fill("severity", data.severities.slice());
  ["state", "zone", "kernel", "driver_version"].forEach(function (name) {
    fill(name, distinct(rows.map(function (row) { return row[name]; })));
  });
  fill("check", distinct([].concat.apply([], rows.map(function (row) {
    return row.reasons.map(function (one) { return one.check; });
  }))));

  COLUMNS.forEach(function (column) {
    var cell = element("th", null, (column[2] ? "n " : "") + "c-" + column[0]);
    var button = element("button", column[1], "sort");
    cell.scope = "col";
    button.type = "button";
    button.addEventListener("click", function () {
      state.down = state.sort === column[0] ? !state.down : Boolean(column[2]);
      state.sort = column[0];
      state.page = 0;
      draw();
    });
    cell.append(button);
    head.append(cell);
  });

  function compare(left, right) {
    var a = left[state.sort], b = right[state.sort], result;
    if (a === null || b === null) { return (a === null) - (b === null); }  /* without a value: last, both ways */
    if (state.sort === "offset_ns") { a = Math.abs(a); b = Math.abs(b); }
    result = typeof a === "number" ? a - b : (a < b ? -1 : a > b ? 1 : 0);
    return state.down ? -result : result;
  }
  function selected() {
    var text = form.elements.text.value.trim().toLowerCase();
    var severity = data.severities.indexOf(form.elements.severity.value);
    var check = form.elements.check.value;
    var chosen = rows.filter(function (row) {
      return (text === "" || row.searched.indexOf(text) >= 0) && (severity < 0 || row.severity === severity)
        && (check === "" || row.reasons.some(function (one) { return one.check === check; }))
        && ["state", "zone", "kernel", "driver_version"].every(function (name) {
          return form.elements[name].value === "" || row[name] === form.elements[name].value;
        });
    });
    return chosen.sort(function (left, right) { return compare(left, right) || (left.host < right.host ? -1 : 1); });
  }
  function shown(row, name, isNumber) {
    if (!isNumber) { return row[name] === null ? "–" : row[name]; }
    return micro(row[name]) + (name === "offset_ns" && row.uncertainty_ns !== null ? " ± " + micro(row.uncertainty_ns) : "");
  }
  function detail(row) {
    var line = element("tr", null, "detail"), cell = element("td"), list = element("ul"), values = element("p", null, "values");
    cell.colSpan = COLUMNS.length;
    COLUMNS.slice(3).concat([["clock_state", "Clock"]]).forEach(function (column) {
      values.append(element("span", column[1] + ": " + shown(row, column[0], column[2])), " ");
    });
    row.reasons.forEach(function (one) {
      var item = element("li");
      item.append(badge(one.severity), " ", element("strong", one.check), ": ", one.message, element("br"), one.advice);
      list.append(item);
    });
    cell.append(row.reasons.length ? list : element("p", "No check found anything on this host."), values);
    line.append(cell);
    return line;
  }
  function draw() {
    var chosen = selected();
    var pages = Math.max(1, Math.ceil(chosen.length / PAGE_ROWS));
    var lines = [];
    state.page = Math.min(state.page, pages - 1);
    /* On paper there are no pages of the table and nothing can be opened: every host with a finding is there with its reasons. */
    var visible = state.printing ? chosen.filter(function (row) { return row.reasons.length; })
      : chosen.slice(state.page * PAGE_ROWS, (state.page + 1) * PAGE_ROWS);
    document.getElementById("unprinted").textContent = state.printing && visible.length < chosen.length
      ? "Hosts without a finding are not printed: " + (chosen.length - visible.length) + "." : "";
    visible.forEach(function (row) {
      var line = element("tr");
      COLUMNS.forEach(function (column) {
        var cell = element(column[0] === "host" ? "th" : "td", null,
          (column[2] ? "n " : column[0] === "reason" ? "" : "short ") + "c-" + column[0]);
        if (column[0] === "severity") {
          cell.append(badge(row.severity));
        } else if (column[0] === "host") {
          var button = element("button", row.host, "link");
          cell.scope = "row";
          button.type = "button";
          button.setAttribute("aria-expanded", Boolean(state.open[row.host]));
          button.addEventListener("click", function () {
            state.open[row.host] = !state.open[row.host];
            button.setAttribute("aria-expanded", state.open[row.host]);
            if (state.open[row.host]) { line.after(detail(row)); } else { line.nextElementSibling.remove(); }
          });
          cell.append(button);
        } else {
          cell.textContent = shown(row, column[0], column[2]);
        }
        line.append(cell);
      });
      lines.push(line);
      if (state.open[row.host] || state.printing) { lines.push(detail(row)); }
    });
    body.replaceChildren.apply(body, lines);
    COLUMNS.forEach(function (column, index) {
      head.children[index].setAttribute("aria-sort", column[0] !== state.sort ? "none" : state.down ? "descending" : "ascending");
    });
    cards.forEach(function (card) {
      card.setAttribute("aria-pressed", card.dataset.severity === form.elements.severity.value);
    });
    document.getElementById("status").textContent = chosen.length + " of " + rows.length + " hosts";
    document.getElementById("page").textContent = "Page " + (state.page + 1) + " of " + pages;
    document.getElementById("previous").disabled = state.page === 0;
    document.getElementById("next").disabled = state.page === pages - 1;
  }
  function refresh() { state.page = 0; draw(); }

  form.addEventListener("input", refresh);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { setTimeout(refresh, 0); });
  cards.forEach(function (card) {
    card.addEventListener("click", function () {
      var field = form.elements.severity;
      field.value = field.value === card.dataset.severity ? "" : card.dataset.severity;
      refresh();
      document.getElementById("hosts").scrollIntoView();
    });
  });
  document.querySelectorAll("[data-check]").forEach(function (button) {
    button.addEventListener("click", function () {
      form.reset();
      form.elements.check.value = button.dataset.check;
      refresh();
      document.getElementById("hosts").scrollIntoView();
    });
  });
  window.addEventListener("beforeprint", function () { state.printing = true; draw(); });
  window.addEventListener("afterprint", function () { state.printing = false; draw(); });
  document.getElementById("previous").addEventListener("click", function () { state.page -= 1; draw(); });
  document.getElementById("next").addEventListener("click", function () { state.page += 1; draw(); });
  draw();
}());
