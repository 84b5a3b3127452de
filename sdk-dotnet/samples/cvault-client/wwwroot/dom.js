/**
 * One element: `h('button.primary', { type: 'button', onclick }, 'Connect')`. Text is always text: nothing here reads HTML,
 * so nothing that the API or a user sends can become markup.
 */
export function h(selector, attributes = {}, ...children) {
  const [name, ...classes] = selector.split('.');
  const element = fill(document.createElement(name || 'div'), attributes, children);
  if (classes.length) element.classList.add(...classes);
  return element;
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

/** Sets an element's text only when it changes, so that screen readers hear of changes alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A labelled input with room for its own error; `field.error(messages)` shows or clears it. */
export function field({ id, label, help, ...attributes }) {
  const input = h('input', { id, name: id, ...attributes });
  const hint = help ? h('p.help', { id: `${id}-help` }, help) : null;
  const problem = h('p.field-error', { id: `${id}-error` });
  const described = [hint && hint.id, problem.id].filter(Boolean).join(' ');
  input.setAttribute('aria-describedby', described);
  return {
    input,
    element: h('.field', {}, h('label', { for: id }, label), input, hint, problem),
    error(messages) {
      setText(problem, (messages ?? []).join(' '));
      if (messages?.length) input.setAttribute('aria-invalid', 'true');
      else input.removeAttribute('aria-invalid');
    },
  };
}

/** A switch with its label and what it does. */
export function toggle({ id, label, help, checked, onchange }) {
  const input = h('input', { id, type: 'checkbox', role: 'switch', 'aria-describedby': `${id}-help`, onchange: () => onchange(input.checked) });
  input.checked = checked;
  return { input, element: h('.toggle', {}, h('div', {}, h('label', { for: id }, label), h('p.help', { id: `${id}-help` }, help)), input) };
}

/** What went wrong and what to do next, as a box that is read out. */
export function problemBox() {
  const element = h('.problem', { role: 'alert', hidden: true });
  return {
    element,
    show(error) {
      element.hidden = !error;
      element.replaceChildren(...(error ? [h('strong', {}, error.message), ...(error.hint ? [h('p', {}, error.hint)] : [])] : []));
    },
  };
}

/**
 * A form that sends itself by `submit()` and meanwhile cannot be sent again. Errors of a field are shown at the field,
 * and the first bad one gets the focus.
 */
export function form({ fields, button, busy, submit, children = [] }) {
  const problem = problemBox();
  const send = h('button.primary', { type: 'submit' }, button);
  const element = h('form', { novalidate: true, method: 'post', autocomplete: 'on' }, problem.element, ...Object.values(fields).map((f) => f.element), ...children, send);
  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (send.getAttribute('aria-disabled') === 'true') return;
    problem.show(null);
    for (const f of Object.values(fields)) f.error(null);
    // Not `disabled`, which would drop the focus.
    send.setAttribute('aria-disabled', 'true');
    setText(send, busy);
    try {
      await submit(Object.fromEntries(Object.entries(fields).map(([name, f]) => [name, f.input.value])));
    } catch (error) {
      const bad = Object.keys(error.errors ?? {}).filter((name) => fields[name]);
      for (const name of bad) fields[name].error(error.errors[name]);
      if (bad.length) fields[bad[0]].input.focus();
      if (!bad.length || Object.keys(error.errors).length > bad.length) problem.show(error);
    } finally {
      send.removeAttribute('aria-disabled');
      setText(send, button);
    }
  });
  return element;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
