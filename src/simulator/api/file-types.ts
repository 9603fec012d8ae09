const LABELS: Readonly<Record<string, string>> = {
  pdf: 'Adobe Acrobat PDF',
  doc: 'Microsoft Word',
  docx: 'Microsoft Word',
  xls: 'Microsoft Excel',
  xlsx: 'Microsoft Excel',
  ppt: 'Microsoft PowerPoint',
  pptx: 'Microsoft PowerPoint',
  mpp: 'Microsoft Project',
  msg: 'Outlook Message',
  txt: 'Text',
  csv: 'CSV',
  jpg: 'Image',
  jpeg: 'Image',
  png: 'Image',
  gif: 'Image',
  heic: 'Image',
  tif: 'Image',
  dwg: 'AutoCAD',
  rvt: 'Revit',
  ifc: 'IFC',
  zip: 'Archive',
  xer: 'Primavera P6',
};

/** The file type label of the API for an extension; not a MIME type. */
export function fileType(name: string): string {
  const dot = name.lastIndexOf('.');
  return (dot >= 0 && LABELS[name.slice(dot + 1).toLowerCase()]) || 'Unknown';
}
