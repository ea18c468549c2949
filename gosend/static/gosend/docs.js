// Nothing here may ask another host: no proxy, no fonts from elsewhere, no telemetry, no assistants.
Scalar.createApiReference("#reference", {
  url: document.getElementById("start").dataset.url,
  proxyUrl: "",
  withDefaultFonts: false,
  telemetry: false,
  showDeveloperTools: "never",
  showToolbar: "never",
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  persistAuth: false,
});
