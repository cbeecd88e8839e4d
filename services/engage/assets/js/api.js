/**
 * Shows the OpenAPI document of the server it comes from. A page of our own: the usual ones bring a megabyte of
 * script, write styles into the page, which the content security policy forbids, or are fetched from elsewhere.
 */

import { byId, html, setText } from "./dom.js";
import { request, requestJSON } from "./request.js";

/**
 * @typedef {{ $ref?: string, type?: string | string[], items?: Schema, enum?: unknown[], format?: string,
 *   pattern?: string, minimum?: number, maximum?: number, maxLength?: number, description?: string,
 *   oneOf?: Schema[], allOf?: Schema[], properties?: Record<string, Schema>, required?: string[],
 *   additionalProperties?: Schema | boolean }} Schema
 * @typedef {{ name: string, in: string, required?: boolean, description?: string, schema: Schema }} Parameter
 * @typedef {Record<string, { schema?: Schema }>} Content
 * @typedef {{ operationId: string, tags?: string[], summary?: string, description?: string, parameters?: Parameter[],
 *   requestBody?: { content: Content }, responses: Record<string, { description: string, content?: Content }>,
 *   security?: object[] }} Operation
 * @typedef {{ info: { title: string, version: string, description?: string },
 *   tags?: { name: string, description?: string }[], paths: Record<string, Record<string, Operation>>,
 *   components?: { schemas?: Record<string, Schema> } }} Description
 */

/** Answers are shown up to here, characters. */
const SHOWN = 20_000;

/** What has no end cannot be waited for, what is no request cannot be sent. */
const ENDLESS = "stream";

const REFERENCE = "#/components/schemas/";

/** @param {Schema | undefined} schema @returns {(Node | string)[]} the type in words, with links to other schemas */
function type(schema) {
  if (schema === undefined) return [];
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace(REFERENCE, "");
    return [html("a", { href: `#schema-${name}` }, name)];
  }
  const either = schema.oneOf ?? schema.allOf;
  if (either !== undefined) {
    return either.flatMap((part, n) => (n === 0 ? type(part) : [schema.oneOf ? " or " : " and ", ...type(part)]));
  }
  const types = [schema.type ?? "anything"].flat();
  const words = types.includes("array") ? ["array of ", ...type(schema.items)] : [types.join(" or ")];
  if (typeof schema.additionalProperties === "object") words.push(" of ", ...type(schema.additionalProperties));
  const more = limits(schema);
  return more.length === 0 ? words : [...words, ` (${more.join(", ")})`];
}

/** @param {Schema} schema @returns {string[]} what values of the type there may be */
function limits(schema) {
  const all = [
    schema.enum?.map((value) => JSON.stringify(value)).join(", "),
    schema.format,
    schema.pattern,
    schema.minimum !== undefined && `from ${schema.minimum}`,
    schema.maximum !== undefined && `to ${schema.maximum}`,
    schema.maxLength !== undefined && `at most ${schema.maxLength} characters`,
  ];
  return all.filter((text) => typeof text === "string");
}

/** @param {string[]} heads @param {(Node | string)[][][]} rows cells of several parts each */
function table(heads, rows) {
  const row = (/** @type {(Node | string)[][]} */ cells) => html("tr", {}, ...cells.map((cell) => html("td", {}, ...cell)));
  const head = html("tr", {}, ...heads.map((text) => html("th", { scope: "col" }, text)));
  return html("table", {}, html("thead", {}, head), html("tbody", {}, ...rows.map(row)));
}

/** @param {Content | undefined} content */
function contents(content) {
  return Object.entries(content ?? {}).flatMap(([name, { schema }], n) => [n === 0 ? "" : "; ", `${name}: `, ...type(schema)]);
}

/** @param {string} path @param {Operation} operation @returns {HTMLElement} a form that sends the request */
function trial(path, operation) {
  const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in !== "header");
  const fields = parameters.map((parameter) => {
    const input = html("input", { name: parameter.name });
    input.required = parameter.required === true;
    return { parameter, input };
  });
  const answer = html("pre", { role: "status", tabindex: "0", hidden: "" });
  const form = html(
    "form",
    {},
    ...fields.map(({ parameter, input }) => html("label", {}, parameter.name, input)),
    html("button", {}, "Send"),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let url = path.slice(1);
    const query = new URLSearchParams();
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.append(parameter.name, input.value);
    }
    const asked = query.size === 0 ? url : `${url}?${query}`;
    answer.hidden = false;
    setText(answer, "…");
    setText(answer, await send(asked));
  });
  return html("div", {}, form, answer);
}

/** @param {string} path @returns {Promise<string>} what came back, for people */
async function send(path) {
  try {
    const response = await request(path);
    const kind = response.headers.get("content-type") ?? "";
    if (kind.startsWith("image/")) return `${response.status} ${kind}, ${(await response.blob()).size} bytes`;
    const text = await response.text();
    const shown = kind.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
    return shown.length > SHOWN ? `${shown.slice(0, SHOWN)}\n… and ${shown.length - SHOWN} characters more` : shown;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @param {string} path @param {string} method @param {Operation} operation */
function operationView(path, method, operation) {
  const view = html(
    "details",
    { "data-operation": operation.operationId },
    html(
      "summary",
      {},
      html("span", { class: "method" }, method.toUpperCase()),
      html("code", {}, path),
      html("span", { class: "soft" }, operation.summary ?? ""),
    ),
  );
  if (operation.description) view.append(html("p", {}, operation.description));
  view.append(html("p", { class: "soft" }, operation.security ? "With access control: needs a token or a session." : "For anybody."));
  if (operation.parameters?.length) {
    const rows = operation.parameters.map((parameter) => [
      [html("code", {}, parameter.name)],
      [parameter.in],
      type(parameter.schema),
      [parameter.description ?? ""],
    ]);
    view.append(html("h3", {}, "Parameters"), table(["Name", "In", "Type", "Meaning"], rows));
  }
  if (operation.requestBody) view.append(html("h3", {}, "Body"), html("p", {}, ...contents(operation.requestBody.content)));
  const responses = Object.entries(operation.responses).map(([status, response]) => [
    [html("code", {}, status)],
    [response.description],
    contents(response.content),
  ]);
  view.append(html("h3", {}, "Responses"), table(["Status", "Meaning", "Content"], responses));
  if (method === "get" && !operation.tags?.includes(ENDLESS)) view.append(trial(path, operation));
  return view;
}

/** @param {string} name @param {Schema} schema */
function schemaView(name, schema) {
  const view = html("article", { id: `schema-${name}` }, html("h3", {}, name));
  if (schema.description) view.append(html("p", { class: "soft" }, schema.description));
  const properties = [schema, ...(schema.allOf ?? [])].flatMap((part) => Object.entries(part.properties ?? {}));
  if (properties.length === 0) {
    view.append(html("p", {}, ...type(schema)));
    return view;
  }
  const inherited = (schema.allOf ?? []).filter((part) => part.$ref !== undefined);
  if (inherited.length > 0) view.append(html("p", {}, "All of ", ...inherited.flatMap(type), ", and:"));
  const rows = properties.map(([field, property]) => [[html("code", {}, field)], type(property), [property.description ?? ""]]);
  view.append(table(["Field", "Type", "Meaning"], rows));
  return view;
}

/** @param {Description} description */
function show({ info, tags = [], paths, components }) {
  document.title = `${info.title}: API`;
  setText(byId("title"), `${info.title} API ${info.version}`);
  setText(byId("about"), info.description ?? "");
  const all = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
  for (const { name, description } of tags) {
    const mine = all.filter(({ operation }) => operation.tags?.includes(name));
    const section = html("section", {}, html("h2", {}, description ?? name));
    section.append(...mine.map(({ path, method, operation }) => operationView(path, method, operation)));
    byId("operations").append(section);
  }
  const schemas = Object.entries(components?.schemas ?? {});
  byId("schemas").append(...schemas.map(([name, schema]) => schemaView(name, schema)));
}

try {
  show(await requestJSON("api/v1/openapi.json"));
} catch (error) {
  setText(byId("about"), error instanceof Error ? error.message : String(error));
}
